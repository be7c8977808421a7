import { randomBytes } from 'node:crypto';
import { strictEqual } from 'node:assert/strict';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { joinTraits, splitTraits } from '../../src/core/trait-text.js';
import { Applier, type EnvironmentChange } from '../../src/indexing/applier.js';
import { verify } from '../../src/indexing/verify.js';
import { type Database, inTransaction, type Sql } from '../../src/storage/database.js';
import { INT8_ARRAY, takeRevision, TEXT_ARRAY } from '../../src/storage/environments.js';
import {
  findIdentities,
  patchIdentities,
  readIdentities,
  type StoredIdentity,
  type TraitsPatch,
} from '../../src/storage/identities.js';
import { SCORE, SCORES } from '../world/segments.js';
import type { Figure } from '../report/figures.js';
import { median, timed } from '../measure/statistics.js';
import type { World } from '../world/world.js';

/** Changes in a batch, and batches in a round of each side. */
const SIZES = [
  { changes: 500, batches: 12 },
  { changes: 5_000, batches: 3 },
];
const GOAL_SHARE = 0.8;
const SEED = 77;
/** Of a log row for each change: two or three flips of about three bytes. */
const LOG_BYTES_PER_CHANGE = 7;
const PLANS = ['free', 'basic', 'pro', 'scale', 'enterprise'];

/** The same changes as events, as the rows they leave, and as the traits that differ. */
interface Batch {
  readonly changes: readonly EnvironmentChange[];
  readonly rows: readonly StoredIdentity[];
  readonly patches: readonly TraitsPatch[];
}

/** Applying changes of distinct identities, drawn uniformly, against only writing the rows. On a copy: what only writes the rows leaves the bitmaps wrong. */
export async function applyScenario(world: World, rounds: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  await world.onCopy(async (copy) => {
    const draw = drawWithoutRepeats(world.identities);
    const applier = new Applier(copy, () => undefined);
    await checkApplies(world, copy, applier, await prepare(world, copy, draw(500)));
    for (const { changes, batches } of SIZES) {
      figures.push(...(await measure(world, copy, applier, { draw, changes, batches, rounds })));
    }
  });
  return figures;
}

interface Plan {
  readonly draw: (count: number) => number[];
  readonly changes: number;
  readonly batches: number;
  readonly rounds: number;
}

async function measure(
  world: World,
  copy: Database,
  applier: Applier,
  { draw, changes, batches, rounds }: Plan,
): Promise<Figure[]> {
  const all: Batch[] = [];
  for (let batch = 0; batch < (rounds + 1) * batches * 3; batch++) all.push(await prepare(world, copy, draw(changes)));
  await copy.sql.unsafe('checkpoint');
  const ms = { applier: [] as number[], rows: [] as number[], patches: [] as number[] };
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    ms.applier.push(await timed(() => applyAll(applier, all.splice(0, batches))));
    ms.rows.push(await timed(() => writeAll(world, copy, all.splice(0, batches), writeRows)));
    ms.patches.push(await timed(() => writeAll(world, copy, all.splice(0, batches), writePatches)));
  }
  const rate = (times: readonly number[]): number => ((changes * batches) / median(times.slice(1))) * 1000;
  const ratio = rate(ms.applier) / rate(ms.rows);
  const figure = { scenario: `apply ${changes}`, unit: 'changes/s' };
  return [
    { ...figure, what: 'only writing the rows and the log row', value: rate(ms.rows) },
    { ...figure, what: 'only writing the changed traits and the log row', value: rate(ms.patches) },
    { ...figure, what: 'through the applier', value: rate(ms.applier) },
    {
      ...figure,
      what: 'applier / only writing rows',
      value: ratio,
      unit: '',
      goal: `≥ ${GOAL_SHARE}`,
      isReached: ratio >= GOAL_SHARE,
    },
    { ...figure, what: 'applier / only writing changed traits', value: rate(ms.applier) / rate(ms.patches), unit: '' },
  ];
}

async function applyAll(applier: Applier, batches: readonly Batch[]): Promise<void> {
  for (const { changes } of batches) strictEqual((await applier.apply(changes)).unchanged, 0);
}

type WriteRows = (tx: Sql, environmentId: number, batch: Batch) => Promise<void>;

async function writeAll(
  { environment }: World,
  copy: Database,
  batches: readonly Batch[],
  write: WriteRows,
): Promise<void> {
  for (const batch of batches) {
    await inTransaction(copy, { isolation: 'read committed' }, async (tx) => {
      await write(tx, environment.id, batch);
      await takeRevision(tx, environment.id, randomBytes(batch.rows.length * LOG_BYTES_PER_CHANGE), false);
    });
  }
}

/** The plain way: one statement with arrays of ids and whole traits. */
async function writeRows(tx: Sql, environmentId: number, { rows }: Batch): Promise<void> {
  await tx`
    update identity set traits = changed.traits
    from unnest(${tx.array(
      rows.map(({ id }) => id),
      INT8_ARRAY,
    )}::bigint[], ${tx.array(
      rows.map(({ traits }) => traits),
      TEXT_ARRAY,
    )}::jsonb[]) as changed (id, traits)
    where identity.environment_id = ${environmentId} and identity.id = changed.id`;
}

/** The applier's own statement, given the versions of the rows. */
async function writePatches(tx: Sql, environmentId: number, { patches }: Batch): Promise<void> {
  strictEqual(await patchIdentities(tx, environmentId, patches), patches.length);
}

/** What the applier did is what the rows say: every atom of some ranges agrees with them. */
async function checkApplies(world: World, copy: Database, applier: Applier, batch: Batch): Promise<void> {
  strictEqual((await applier.apply(batch.changes)).unchanged, 0);
  const expected = new Map(batch.rows.map(({ id, traits }) => [id, JSON.stringify(sorted(traits))]));
  const stored = await readIdentities(copy.sql, world.environment.id, [...expected.keys()], true);
  for (const { id, traits } of stored) strictEqual(JSON.stringify(sorted(traits)), expected.get(id));
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

async function prepare(world: World, copy: Database, ids: readonly number[]): Promise<Batch> {
  const random = xoroshiro128plus(ids[0] ?? 0);
  const changes: EnvironmentChange[] = [];
  const rows: StoredIdentity[] = [];
  const patches: TraitsPatch[] = [];
  for (const { id, identifier, traits, version } of await findIdentities(copy.sql, world.environment.id, {
    identifiers: [],
    ids,
  })) {
    const before = splitTraits(traits);
    const set = newTraits(before, random);
    changes.push({
      index: changes.length,
      environmentKey: world.environment.key,
      change: { kind: 'set_traits', identifier, traits: set },
    });
    rows.push({ id, identifier, traits: joinTraits(new Map([...before, ...set])) });
    patches.push({ kind: 'traits', id, version, removed: [], set: joinTraits(set) });
  }
  return { changes: shuffled(changes, random), rows, patches };
}

/** Two traits or three that are not what they were. */
function newTraits(
  before: ReadonlyMap<string, string>,
  random: ReturnType<typeof xoroshiro128plus>,
): Map<string, string> {
  const drawn: [string, string][] = [
    ['plan', `"${PLANS[uniformInt(random, 0, PLANS.length - 1)] ?? ''}"`],
    ['age', String(uniformInt(random, 18, 80))],
    ['spend', `${uniformInt(random, 0, 2_000)}.25`],
    ['sessions', String(uniformInt(random, 0, 900))],
    ['beta', uniformInt(random, 0, 1) === 0 ? 'true' : 'false'],
  ];
  const first = uniformInt(random, 0, drawn.length - 1);
  const set = new Map([drawn[first] ?? drawn[0] ?? ['', ''], drawn[(first + 1) % drawn.length] ?? ['', '']]);
  const score = uniformInt(random, 0, SCORES - 1);
  return set.set(SCORE, String(String(score) === before.get(SCORE) ? (score + 1) % SCORES : score));
}

function shuffled<Item>(items: readonly Item[], random: ReturnType<typeof xoroshiro128plus>): Item[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = uniformInt(random, 0, last);
    const [a, b] = [order[last], order[other]];
    if (a === undefined || b === undefined) continue;
    order[last] = b;
    order[other] = a;
  }
  return order;
}

/** Draws ids from 1 to `count`, uniformly, none twice until half of them were drawn. */
function drawWithoutRepeats(count: number): (size: number) => number[] {
  const random = xoroshiro128plus(SEED);
  const drawn = new Set<number>();
  return (size) => {
    const ids: number[] = [];
    if (drawn.size + size > count / 2) drawn.clear();
    while (ids.length < size) {
      const id = uniformInt(random, 1, count);
      if (drawn.has(id)) continue;
      drawn.add(id);
      ids.push(id);
    }
    return ids;
  };
}
