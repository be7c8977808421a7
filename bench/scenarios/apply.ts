import { strictEqual } from 'node:assert/strict';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { splitTraits } from '../../src/core/trait-text.js';
import { Applier } from '../../src/indexing/applier.js';
import { verify } from '../../src/indexing/verify.js';
import type { Database } from '../../src/storage/database.js';
import { readIdentities } from '../../src/storage/identities.js';
import { applyByAtoms } from './apply-atoms.js';
import {
  applyMessages,
  type Batch,
  drawBatch,
  drawDistinct,
  type NewTraits,
  type Random,
  seeded,
} from './apply-changes.js';
import { type Measured, measureSides, type Side } from './apply-measure.js';
import { applyToTenants } from './apply-tenants.js';
import { walOf } from './apply-wal.js';
import {
  createJsonbTable,
  type WriteBatch,
  writeJsonbTable,
  writePatchesAndLog,
  writeRows,
  writeRowsAndLog,
} from './apply-writers.js';
import { ordinalAt } from '../world/ordinals.js';
import { SCORE, SCORES } from '../world/segments.js';
import type { Figure } from '../report/figures.js';
import type { World } from '../world/world.js';

/** Events in a batch, and batches in a round of each side. */
const SIZES = [
  { events: 50, batches: 30 },
  { events: 500, batches: 10 },
  { events: 5_000, batches: 2 },
];
const LARGE = 5_000;
const GOAL_SHARE = 0.9;
const GOAL_WAL = 2;
const MAX_ROUNDS = 5;
/** The peer's index takes minutes to make for many more; a smaller table only helps it. */
const MAX_PEOPLE = 500_000;
const SEED = 77;
const PLANS = ['free', 'basic', 'pro', 'scale', 'enterprise'];

/**
 * Applying events of distinct identities, drawn uniformly, from messages to the commit, against only writing the rows: at this world's atoms, by atoms on
 * a key, and of many tenants. On a copy: what only writes the rows leaves the bitmaps wrong.
 */
export async function applyScenario(world: World, allRounds: number): Promise<Figure[]> {
  const rounds = Math.min(allRounds, MAX_ROUNDS);
  const figures: Figure[] = [];
  const identities = Math.min(Math.ceil(world.identities / 2), 100_000);
  await world.onCopy(async (copy) => {
    await copy.sql.unsafe('alter table identity set (autovacuum_enabled = off)');
    await createJsonbTable(copy, world.environment, MAX_PEOPLE);
    await checkApplies(world, copy);
    for (const { events, batches } of SIZES) {
      const enough = world.isSmoke ? Math.ceil(batches / 4) : batches;
      figures.push(...(await applyInBatches(world, copy, { events, batches: enough }, rounds)));
    }
    figures.push(...(await walFigures(world, copy)));
    figures.push(...(await applyByAtoms(copy, identities, rounds)));
    figures.push(...(await applyToTenants(copy, world.identities, rounds)));
  });
  return figures;
}

/** Batches of one environment; in a small world smaller ones, so that no identity comes twice. */
function batchesOf(
  world: World,
  copy: Database,
  events: number,
  batches: number,
): (count?: number) => Promise<Batch[]> {
  const random = seeded(SEED);
  return async (count = world.identities) => {
    const size = Math.min(events, Math.floor(count / batches));
    const ids = drawDistinct(random, size * batches, count).map((position) => ordinalAt(world.people, position));
    const drawn: Batch[] = [];
    for (let batch = 0; batch < batches; batch++) {
      const own = ids.slice(batch * size, (batch + 1) * size);
      drawn.push(await drawBatch(copy, { environment: world.environment, ids: own, newTraits }, random));
    }
    return drawn;
  };
}

async function applyInBatches(
  world: World,
  copy: Database,
  { events, batches }: (typeof SIZES)[number],
  rounds: number,
): Promise<Figure[]> {
  const applier = new Applier(copy, () => undefined);
  const draw = batchesOf(world, copy, events, batches);
  const writing = (what: string, write: WriteBatch, count?: number): Side => ({
    what,
    prepare: () => draw(count),
    write: (batch) => write(copy, world.environment, batch),
  });
  const sides = [
    { what: 'through the applier', prepare: draw, write: (batch: Batch) => applyMessages(applier, batch.messages) },
    writing('only writing the rows and the log row', writeRowsAndLog),
    writing('only writing the changed traits and the log row', writePatchesAndLog),
    writing('a jsonb table with a GIN index', writeJsonbTable, Math.min(world.identities, MAX_PEOPLE)),
  ] as const;
  await copy.sql.unsafe('checkpoint');
  const measured = await measureSides(sides, rounds);
  return [...measured.map((side) => rateFigure(events, side)), ...ratios(events, measured)];
}

function rateFigure(events: number, { what, rate, cpuSeconds }: Measured): Figure {
  return { scenario: `apply ${events}`, what, value: rate, unit: 'events/s', cpuSeconds };
}

function ratios(events: number, [applier, rows, patches, jsonb]: readonly Measured[]): Figure[] {
  const own = applier?.rate ?? NaN;
  const share = own / (rows?.rate ?? NaN);
  const scenario = `apply ${events}`;
  const goal = events < LARGE ? {} : { goal: `≥ ${GOAL_SHARE}`, isReached: share >= GOAL_SHARE };
  return [
    { scenario, what: 'applier / only writing rows', value: share, unit: '', ...goal },
    { scenario, what: 'applier / only writing changed traits', value: own / (patches?.rate ?? NaN), unit: '' },
    { scenario, what: 'applier / jsonb table with a GIN index', value: own / (jsonb?.rate ?? NaN), unit: '' },
  ];
}

/** Bytes of write-ahead log an event: of the applier, of the rows alone, and of the peer. */
async function walFigures(world: World, copy: Database): Promise<Figure[]> {
  const applier = new Applier(copy, () => undefined);
  const figures: Figure[] = [];
  for (const { events, batches } of SIZES) {
    const draw = batchesOf(world, copy, events, batches);
    const bytesOf = async (write: (batch: Batch) => Promise<void>, count?: number) => {
      const drawn = await draw(count);
      const written = drawn.reduce((sum, { rows }) => sum + rows.length, 0);
      const wal = await walOf(copy, async () => {
        for (const batch of drawn) await write(batch);
      });
      return { withImages: wal.withImages / written, withoutImages: wal.withoutImages / written };
    };
    const ofApplier = await bytesOf((batch) => applyMessages(applier, batch.messages));
    const ofRows = await bytesOf((batch) => writeRows(copy, world.environment, batch));
    const ofJsonb = await bytesOf(
      (batch) => writeJsonbTable(copy, world.environment, batch),
      Math.min(world.identities, MAX_PEOPLE),
    );
    const scenario = `apply ${events} WAL`;
    const sides = {
      'through the applier': ofApplier,
      'only writing the rows': ofRows,
      'a jsonb table with a GIN index': ofJsonb,
    };
    for (const [what, { withImages, withoutImages }] of Object.entries(sides)) {
      figures.push({ scenario, what, value: withImages, unit: 'B/event' });
      figures.push({ scenario, what: `${what}, without page images`, value: withoutImages, unit: 'B/event' });
    }
    const share = { scenario, unit: '', goal: `≤ ${GOAL_WAL}` };
    const plain = ofApplier.withoutImages / ofRows.withoutImages;
    const whole = ofApplier.withImages / ofRows.withImages;
    figures.push({ ...share, what: 'applier / only writing the rows', value: whole, isReached: whole <= GOAL_WAL });
    figures.push({
      ...share,
      what: 'applier / only writing the rows, without page images',
      value: plain,
      isReached: plain <= GOAL_WAL,
    });
  }
  return figures;
}

/** What the applier did is what the rows say: every atom of some ranges agrees with them. */
async function checkApplies(world: World, copy: Database): Promise<void> {
  const applier = new Applier(copy, () => undefined);
  const [batch] = await batchesOf(world, copy, 500, 1)();
  if (batch === undefined) throw new Error('there are no identities');
  await applyMessages(applier, batch.messages);
  const expected = new Map(batch.rows.map(({ id, traits }) => [id, JSON.stringify(sorted(traits))]));
  const stored = await readIdentities(copy.sql, world.environment.id, [...expected.keys()], true);
  for (const { id, traits } of stored) strictEqual(JSON.stringify(sorted(traits)), expected.get(id));
  strictEqual(stored.length, batch.rows.length);
  const found = await verify(copy, world.environment, {
    sampleShare: 1,
    maxRanges: 1,
    signal: new AbortController().signal,
  });
  strictEqual(found.differences.length, 0, 'bitmaps agree with the identities');
}

function sorted(traits: string): [string, string][] {
  return [...splitTraits(traits)].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Two traits or three, of which the score is not what it was. */
const newTraits: NewTraits = (before, random: Random) => {
  const drawn: [string, string][] = [
    ['plan', `"${PLANS[uniformInt(random, 0, PLANS.length - 1)] ?? ''}"`],
    ['age', String(uniformInt(random, 18, 80))],
    ['spend', `${uniformInt(random, 0, 2_000)}.25`],
    ['sessions', String(uniformInt(random, 0, 900))],
    ['beta', uniformInt(random, 0, 1) === 0 ? 'true' : 'false'],
  ];
  const first = uniformInt(random, 0, drawn.length - 1);
  const set = new Map([drawn[first] ?? ['', ''], drawn[(first + 1) % drawn.length] ?? ['', '']]);
  const score = uniformInt(random, 0, SCORES - 1);
  return set.set(SCORE, String(String(score) === before.get(SCORE) ? (score + 1) % SCORES : score));
};
