import { strictEqual } from 'node:assert/strict';
import { RollcallClient } from '../../src/cli/client.js';
import { IndexService } from '../../src/gen/rollcall/v1/index_service_pb.js';
import { MembershipService } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { RuleType } from '../../src/gen/rollcall/v1/segment_pb.js';
import { SegmentService } from '../../src/gen/rollcall/v1/segment_service_pb.js';
import { Applier } from '../../src/indexing/applier.js';
import type { Database } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import { migrate } from '../../src/storage/migrate.js';
import { withServer } from '../measure/server-process.js';
import { median, timed } from '../measure/statistics.js';
import type { Figure } from '../report/figures.js';
import { formatCount } from '../report/format-value.js';
import { exponentOf, type Point } from '../report/growth-exponents.js';
import { onDatabase } from '../world/databases.js';
import type { World } from '../world/world.js';
import {
  createGrowthEnvironment,
  growthChanges,
  growthSegment,
  KEYS,
  PROJECT,
  segmentKey,
  type Size,
} from './growth-environment.js';

const BASE: Size = { identities: 20_000, atoms: KEYS, segments: 10 };
const ATOMS = [40, 400, 4_000];
const SEGMENTS = [10, 100, 1_000, 10_000];
/** Of a smoke: as small, and without the largest of each. */
const SMOKE_SIZES = 2;
const CHANGES = 500;
const COUNTS = 200;
/** Until the server's hot code is compiled. */
const WARM_UP_COUNTS = 500;
const CHECKED_SEGMENTS = 10;

/** Milliseconds by what was measured. */
type Costs = ReadonlyMap<string, number>;

/** How the cost of calls grows with the atoms and with the segments of an environment, at the same identities. */
export async function growthScenario(world: World, rounds: number): Promise<Figure[]> {
  const sizes = (all: readonly number[]): readonly number[] => (world.isSmoke ? all.slice(0, SMOKE_SIZES) : all);
  const measure = (own: Size): Promise<Costs> =>
    onDatabase(world.url, 'bench_growth', (database, url) => measureSize(database, url, own, rounds));
  const size = { ...BASE, identities: Math.min(BASE.identities, world.identities) };
  const base = await measure(size);
  const byAtoms = new Map([[BASE.atoms, base]]);
  for (const atoms of sizes(ATOMS).slice(1)) byAtoms.set(atoms, await measure({ ...size, atoms }));
  const bySegments = new Map([[BASE.segments, base]]);
  for (const segments of sizes(SEGMENTS).slice(1)) bySegments.set(segments, await measure({ ...size, segments }));
  return [...figuresBy('atoms', byAtoms), ...figuresBy('segments', bySegments)];
}

function figuresBy(axis: 'atoms' | 'segments', costs: ReadonlyMap<number, Costs>): Figure[] {
  const names = [...(costs.values().next().value?.keys() ?? [])];
  return names.flatMap((name) => {
    const points = [...costs].map(([size, own]) => ({ size, value: own.get(name) ?? NaN }));
    return [
      ...points.map(({ size, value }) => ({
        scenario: `growth with ${axis}`,
        what: `${name}, ${formatCount(size)} ${axis}`,
        value,
        unit: 'ms',
      })),
      exponentFigure(axis, `${name}: exponent`, points),
      // What has a constant part grows faster at the end than over all.
      exponentFigure(axis, `${name}: exponent of the last step`, points.slice(-2)),
    ];
  });
}

function exponentFigure(axis: string, what: string, points: readonly Point[]): Figure {
  return { scenario: `growth with ${axis}`, what, value: exponentOf(points) ?? NaN, unit: '' };
}

async function measureSize(database: Database, url: string, size: Size, rounds: number): Promise<Costs> {
  await migrate(database);
  const environment = await createGrowthEnvironment(database, size);
  const costs = new Map([[`applying ${CHANGES} changes`, await applyMs(database, environment, size, rounds)]]);
  const expected = await countInSql(database, environment, size);
  await withServer(url, async (address) => {
    const client = new RollcallClient({ address, timeoutMs: 60_000, signal: new AbortController().signal });
    try {
      costs.set('first Count of a process', await timed(async () => strictEqual(await count(client, 0), expected)));
      await medianMs(WARM_UP_COUNTS, () => count(client, 0));
      costs.set('Count', await medianMs(COUNTS, () => count(client, 0)));
      const checked = `CheckMembership of ${CHECKED_SEGMENTS} segments by the index`;
      await check(client);
      costs.set(checked, await medianMs(COUNTS, () => check(client)));
      costs.set(
        'GetStatus',
        await medianMs(rounds + 2, () => client.call(IndexService.method.getStatus, { environment: PROJECT })),
      );
      const edits = await editMs(client, size, rounds);
      costs.set('creating a segment', median(edits.map(({ createMs }) => createMs)));
      costs.set('first Count after a segment was created', median(edits.map(({ countMs }) => countMs)));
    } finally {
      client.close();
    }
  });
  return costs;
}

/** Of a batch in process; the first, which loads the catalog, is not taken. */
async function applyMs(database: Database, environment: Environment, size: Size, rounds: number): Promise<number> {
  const applier = new Applier(database, () => undefined);
  const ms: number[] = [];
  for (let round = 1; round <= rounds + 2; round++) {
    const changes = growthChanges(environment, size, CHANGES, round);
    ms.push(await timed(() => applier.apply(changes)));
  }
  return median(ms.slice(1));
}

async function countInSql({ sql }: Database, environment: Environment, size: Size): Promise<number> {
  const conditions = growthSegment(0, size).rules.flatMap((rule) => rule.conditions);
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from identity
    where environment_id = ${environment.id} and (${conditions
      .map(({ property, value }) => sql`traits ->> ${property} = ${value}`)
      .reduce((before, next) => sql`${before} or ${next}`)})`;
  return row?.count ?? NaN;
}

async function count(client: RollcallClient, segment: number): Promise<number> {
  const selector = { environment: PROJECT, target: { case: 'segment', value: segmentKey(segment) } } as const;
  const freshness = { level: { case: 'latest', value: true } } as const;
  return Number(
    (await client.call(MembershipService.method.count, { selector, ...(segment === 0 ? {} : { freshness }) })).count,
  );
}

async function check(client: RollcallClient): Promise<void> {
  const segments = Array.from({ length: CHECKED_SEGMENTS }, (_, number) => segmentKey(number));
  const identity = { case: 'identifier', value: 'id-7' } as const;
  const { results } = await client.call(MembershipService.method.checkMembership, {
    environment: PROJECT,
    identity: { identity },
    segments,
  });
  strictEqual(results.length, CHECKED_SEGMENTS);
}

/** Creating one more segment through the service, and the Count of it, which needs the new catalog. */
async function editMs(
  client: RollcallClient,
  size: Size,
  rounds: number,
): Promise<{ createMs: number; countMs: number }[]> {
  const edits: { createMs: number; countMs: number }[] = [];
  for (let number = size.segments; number < size.segments + rounds + 2; number++) {
    const rules = growthSegment(number, size).rules.map(({ conditions }) => ({
      type: RuleType.ANY,
      conditions: conditions.map(({ property, operator, value }) => ({
        property,
        operator,
        operand: { case: 'value', value } as const,
      })),
    }));
    const segment = { project: PROJECT, key: segmentKey(number), enabled: true, rules };
    edits.push({
      createMs: await timed(() => client.call(SegmentService.method.create, { segment })),
      countMs: await timed(() => count(client, number)),
    });
  }
  return edits;
}

async function medianMs(calls: number, call: () => Promise<unknown>): Promise<number> {
  const ms: number[] = [];
  for (let made = 0; made < calls; made++) ms.push(await timed(call));
  return median(ms);
}
