import { strictEqual } from 'node:assert/strict';
import { RollcallClient } from '../../src/cli/client.js';
import { MembershipService } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import type { Database } from '../../src/storage/database.js';
import { findIdentities } from '../../src/storage/identities.js';
import { type Applied, whileChanging } from '../measure/changes.js';
import { LoadSeries, type RunLoad } from '../measure/load.js';
import { withServer } from '../measure/server-process.js';
import { POSTGRES_REMAINDER, withSplit } from '../peers/split-sql.js';
import type { Figure } from '../report/figures.js';
import { ordinalAt } from '../world/ordinals.js';
import { QUESTIONS } from '../world/questions.js';
import { ENVIRONMENT, type World } from '../world/world.js';
import { countCall, emptyCall, type Served } from './count-calls.js';
import { MAIN_QUESTION } from './count-idle.js';
import { heat, Loads, timesIn } from './count-loads.js';
import { ratioFigure } from './count-ratios.js';

const CHANGES_PER_SECOND = 3_000;
/** Of the changes that are due: that many at least are applied in time, or it was not this rate that Count was measured under. */
const KEPT_SHARE = 0.95;
const CHANGED_IDENTITIES = 20_000;
const GOAL_LATENCY = 3;
const SCENARIO = `count under ${CHANGES_PER_SECOND.toLocaleString('en')} changes/s`;
/** Asked of both sides in the end; more would take long in a large world. */
const CHECKED_SIZE = 3;

interface Changing {
  readonly world: World;
  readonly run: RunLoad;
  readonly rounds: number;
  /** Of the empty call while nothing changes. */
  readonly idleEmptyMs: number;
}

/** The same Counts while the service applies changes of the counted traits, which makes composed results stale; on a copy. */
export async function measureWhileChanging(changing: Changing): Promise<Figure[]> {
  const figures: Figure[] = [];
  const { world } = changing;
  await world.onCopy(async (copy) => {
    const identifiers = await drawIdentifiers(world, copy);
    await withServer(await urlOf(world, copy), async (address, pid) => {
      const server = { address, pid };
      const applied = await whileChanging(
        { address, environment: ENVIRONMENT, identifiers, changesPerSecond: CHANGES_PER_SECOND },
        async () => {
          figures.push(...(await measureLoads(changing, server)), ...(await measureEach(changing, server)));
        },
      );
      await checkAnswers(world, copy, address, applied);
      figures.unshift(appliedFigure(applied));
    });
  });
  return figures;
}

async function measureLoads({ world, run, rounds, idleEmptyMs }: Changing, server: Served): Promise<Figure[]> {
  const times = timesIn(world);
  const [count, empty] = [countCall(server, MAIN_QUESTION), emptyCall(server)];
  for (const target of [count, empty]) await heat(run, target, times);
  const targets = [
    ['Count', count],
    ['empty call', empty],
  ] as const;
  const loads = await Loads.measure(run, targets, { rounds, times, check: () => undefined });
  const [countMs, emptyMs] = [loads.of('Count', 1).p50Ms, loads.of('empty call', 1).p50Ms];
  return [
    ...loads.figures(SCENARIO, ['Count', 'empty call']),
    ratioFigure(SCENARIO, 'Count / empty call, 1 in flight', countMs / emptyMs, { most: GOAL_LATENCY }),
    ratioFigure(SCENARIO, 'Count / empty call while nothing changes, 1 in flight', countMs / idleEmptyMs, {}),
  ];
}

async function measureEach({ world, run, rounds }: Changing, server: Served): Promise<Figure[]> {
  const series = new Map(QUESTIONS.map(({ key }) => [key, new LoadSeries()]));
  for (let round = 0; round < rounds; round++)
    for (const [key, one] of series) {
      const { pid, ...target } = countCall(server, key);
      await one.run(run, { ...target, inFlight: 1, ...timesIn(world) }, pid);
    }
  const what = `Count under ${CHANGES_PER_SECOND.toLocaleString('en')} changes/s`;
  return [...series].map(([key, { p50Ms, p99Ms }]) => ({
    scenario: `count ${key}`,
    what,
    value: p50Ms,
    unit: 'ms',
    p99: p99Ms,
  }));
}

function appliedFigure({ changes, seconds }: Applied): Figure {
  const value = changes / seconds;
  const least = CHANGES_PER_SECOND * KEPT_SHARE;
  return {
    scenario: SCENARIO,
    what: 'changes applied',
    value,
    unit: 'changes/s',
    goal: `≥ ${least.toLocaleString('en')}`,
    isReached: value >= least,
  };
}

/** At the revision that holds every change, Count says what the stored identities say. */
async function checkAnswers(world: World, copy: Database, address: string, { revision }: Applied): Promise<void> {
  const questions = QUESTIONS.filter(({ size }) => size === CHECKED_SIZE);
  const counts = questions.map(
    (question) =>
      `count(*) filter (where ${withSplit(question.jsonb, question, POSTGRES_REMAINDER)}) as "${question.key}"`,
  );
  const [expected] = await copy.sql.unsafe<Record<string, number>[]>(
    `select ${counts.join(', ')} from identity where environment_id = ${world.environment.id} and deleted_revision is null`,
  );
  const client = new RollcallClient({ address, timeoutMs: 60_000, signal: new AbortController().signal });
  try {
    for (const { key } of questions) {
      const { count } = await client.call(MembershipService.method.count, {
        selector: { environment: ENVIRONMENT, target: { case: 'segment', value: key } },
        freshness: { level: { case: 'atLeastRevision', value: BigInt(revision) } },
      });
      strictEqual(Number(count), expected?.[key], `after the changes Count and SQL agree on ${key}`);
    }
  } finally {
    client.close();
  }
}

async function drawIdentifiers({ environment, people }: World, copy: Database): Promise<string[]> {
  const drawn = Math.min(CHANGED_IDENTITIES, people.count);
  const ids = Array.from({ length: drawn }, (_, index) =>
    ordinalAt(people, Math.floor((index * people.count) / drawn) + 1),
  );
  const identities = await findIdentities(copy.sql, environment.id, { identifiers: [], ids });
  return identities.map(({ identifier }) => identifier);
}

async function urlOf({ url }: World, { sql }: Database): Promise<string> {
  const [row] = await sql<{ name: string }[]>`select current_database() as name`;
  const ofCopy = new URL(url);
  ofCopy.pathname = `/${row?.name ?? ''}`;
  return ofCopy.href;
}
