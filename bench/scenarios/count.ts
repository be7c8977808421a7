import { strictEqual } from 'node:assert/strict';
import { RollcallClient } from '../../src/cli/client.js';
import { MembershipService } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { RuleType } from '../../src/gen/rollcall/v1/segment_pb.js';
import { QUESTIONS } from '../world/questions.js';
import { ATOM_CONDITIONS } from '../world/segments.js';
import type { Figure } from '../report/figures.js';
import { withServer } from '../measure/server-process.js';
import { median, percentile, timed } from '../measure/statistics.js';
import { ENVIRONMENT, type World } from '../world/world.js';

const WARM_UP_CALLS = 2_000;
const CALLS = 5_000;
const DRAFT_CALLS = 1_000;
const THREE = QUESTIONS.find(({ key }) => key === 'all-3') ?? { key: '', jsonb: '' };
const GOAL_MS = 1;
const GOAL_FACTOR = 300;

/** Count of three conditions: over gRPC, in SQL over jsonb, and of drafts that were never asked for before. */
export async function countScenario(world: World, rounds: number): Promise<Figure[]> {
  return withServer(world.url, async (address) => {
    const client = new RollcallClient({ address, timeoutMs: 60_000, signal: new AbortController().signal });
    try {
      const sqlMs: number[] = [];
      const expected = await countInSql(world);
      strictEqual(await count(client), expected, 'Count and SQL agree');
      for (let call = 0; call < WARM_UP_CALLS; call++) await count(client);
      const callMs: number[] = [];
      for (let round = 0; round < rounds; round++) {
        for (let call = 0; call < CALLS / rounds; call++) callMs.push(await timed(() => count(client)));
        sqlMs.push(await timed(() => countInSql(world)));
      }
      const draftMs: number[] = [];
      for (let call = 0; call < DRAFT_CALLS; call++) draftMs.push(await timed(() => countDraft(client, call)));
      return figures(callMs, sqlMs, draftMs);
    } finally {
      client.close();
    }
  });
}

function figures(callMs: readonly number[], sqlMs: readonly number[], draftMs: readonly number[]): Figure[] {
  const p50 = median(callMs);
  const factor = median(sqlMs) / p50;
  const scenario = 'count';
  return [
    {
      scenario,
      what: 'Count over gRPC, warm, p50',
      value: p50,
      unit: 'ms',
      goal: `≤ ${GOAL_MS}`,
      isReached: p50 <= GOAL_MS,
    },
    { scenario, what: 'Count over gRPC, warm, p99', value: percentile(callMs, 0.99), unit: 'ms' },
    { scenario, what: 'the same in SQL over jsonb', value: median(sqlMs), unit: 'ms' },
    {
      scenario,
      what: 'times faster',
      value: factor,
      unit: '×',
      goal: `≥ ${GOAL_FACTOR}`,
      isReached: factor >= GOAL_FACTOR,
    },
    { scenario, what: 'Count of a draft of three atoms, composed anew, p50', value: median(draftMs), unit: 'ms' },
    {
      scenario,
      what: 'Count of a draft of three atoms, composed anew, p99',
      value: percentile(draftMs, 0.99),
      unit: 'ms',
    },
  ];
}

async function count(client: RollcallClient): Promise<number> {
  const selector = { environment: ENVIRONMENT, target: { case: 'segment', value: THREE.key } } as const;
  return Number((await client.call(MembershipService.method.count, { selector })).count);
}

async function countInSql({ database, environment }: World): Promise<number> {
  const [row] = await database.sql<{ count: number }[]>`
    select count(*)::int as count from identity
    where environment_id = ${environment.id} and deleted_revision is null and ${database.sql.unsafe(THREE.jsonb)}`;
  return row?.count ?? NaN;
}

/** Another three of the atoms each time, so that no result is at hand. */
async function countDraft(client: RollcallClient, call: number): Promise<number> {
  const size = ATOM_CONDITIONS.length;
  const conditions = [call, call * 7 + 11, Math.floor(call / size) * 3 + 23].flatMap(
    (place) => ATOM_CONDITIONS[place % size] ?? [],
  );
  const rules = [
    {
      type: RuleType.ALL,
      conditions: conditions.map(({ property, operator, value }) => ({
        property,
        operator,
        operand: { case: 'value', value } as const,
      })),
    },
  ];
  const selector = { environment: ENVIRONMENT, target: { case: 'draft', value: { rules } } } as const;
  return Number((await client.call(MembershipService.method.count, { selector })).count);
}
