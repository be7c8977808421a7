import { OrdinalSet } from '../../src/core/bitmap.js';
import { encodeFlips, UNIVERSE_ATOM_ID } from '../../src/core/flips.js';
import { createEnvironment, rebuildAtom } from '../../src/indexing/catalog-writer.js';
import { fold } from '../../src/indexing/fold.js';
import { createSegment } from '../../src/indexing/segment-writer.js';
import { leaseAtom, markReady, readAtoms } from '../../src/storage/atoms.js';
import { writeChunks } from '../../src/storage/chunks.js';
import { type Database, inTransaction } from '../../src/storage/database.js';
import { type Environment, takeRevision } from '../../src/storage/environments.js';
import { migrate } from '../../src/storage/migrate.js';
import { condition } from './conditions.js';
import { onDatabase } from './databases.js';
import type { People } from './load.js';
import { ordinalAt } from './ordinals.js';
import { all } from './segments.js';

/**
 * An environment of 100 atoms as large as the world's, without identities: the universe and 99 atoms in segments of three. Whatever only reads and writes
 * chunks and the log does not see the difference.
 */
export interface BitmapWorld {
  readonly url: string;
  readonly database: Database;
  readonly environment: Environment;
  readonly segments: readonly BitmapSegment[];
  readonly universe: OrdinalSet;
}

/** A segment of three atoms. */
export interface BitmapSegment {
  readonly key: string;
  readonly atomIds: readonly number[];
  /** How many are in all three. */
  readonly count: number;
}

/** Bytes of the log that one fold takes, as the service's default. */
export const FOLD_MAX_BYTES = 16 * 1024 * 1024;

const SEGMENTS = 33;
const ATOMS_PER_SEGMENT = 3;
/** Of every segment one atom is sparse, one in between, one dense. */
const SHARES: readonly (readonly number[])[] = [
  [0.0005, 0.01, 0.02, 0.03],
  [0.05, 0.08, 0.13, 0.2],
  [0.3, 0.45, 0.6, 0.95],
];
const ENVIRONMENT = 'bitmaps';
const DATABASE = 'bench_bitmaps';
const OWNER = 'bench';
const LEASE_MS = 3_600_000;

/** Runs `work` with such an environment in a database of its own on the server at `url`, which is thrown away. */
export async function withBitmaps(
  url: string,
  people: People,
  work: (bitmaps: BitmapWorld) => Promise<void>,
): Promise<void> {
  await onDatabase(url, DATABASE, async (database, ownUrl) => {
    await migrate(database);
    const environment = await createEnvironment(
      database,
      {
        key: ENVIRONMENT,
        name: ENVIRONMENT,
        project: ENVIRONMENT,
        organisation: ENVIRONMENT,
        ordinalMode: 'allotted',
        identityKeyMode: 'composite',
      },
      'bench',
    );
    const ordinals = ordinalsOf(people);
    const universe = setOf(ordinals);
    await rebuildAtom(database, environment, UNIVERSE_ATOM_ID);
    await writeAtom(database, environment, UNIVERSE_ATOM_ID, universe);
    const segments: BitmapSegment[] = [];
    for (let index = 0; index < SEGMENTS; index++)
      segments.push(await writeSegment(database, environment, index, ordinals));
    while (!(await fold(database, environment.id, FOLD_MAX_BYTES)));
    await database.sql.unsafe('vacuum (analyze)');
    await database.sql.unsafe('checkpoint');
    await work({ url: ownUrl, database, environment, segments, universe });
  });
}

/** All below 2^32, as in every world that fits a machine. */
function ordinalsOf(people: People): Uint32Array {
  const ordinals = new Uint32Array(people.count);
  for (let position = 1; position <= people.count; position++) ordinals[position - 1] = ordinalAt(people, position);
  return ordinals;
}

async function writeSegment(
  database: Database,
  environment: Environment,
  index: number,
  ordinals: Uint32Array,
): Promise<BitmapSegment> {
  const key = `segment-${index}`;
  const known = new Set((await readAtoms(database.sql, environment.id)).map(({ id }) => id));
  const conditions = SHARES.map((_, place) => condition(`trait-${index}`, 'EQUAL', `${place}`));
  await createSegment(
    database,
    { project: ENVIRONMENT, key, name: key, description: '', definition: all(conditions) },
    'bench',
  );
  const atomIds = (await readAtoms(database.sql, environment.id)).map(({ id }) => id).filter((id) => !known.has(id));
  if (atomIds.length !== ATOMS_PER_SEGMENT) throw new Error('the atoms of the segment were not registered');
  const members = SHARES.map((shares, place) =>
    drawn(ordinals, shares[index % shares.length] ?? 0, index * ATOMS_PER_SEGMENT + place),
  );
  for (const [place, ordinalsIn] of members.entries()) {
    const set = setOf(ordinalsIn);
    await writeAtom(database, environment, atomIds[place] ?? 0, set);
    set.dispose();
  }
  return { key, atomIds, count: countCommon(members) };
}

/** The ordinals that fall into a share, by a hash of their positions and the atom. */
function drawn(ordinals: Uint32Array, share: number, atom: number): Uint32Array {
  const members = new Uint32Array(ordinals.length);
  const below = share * 2 ** 32;
  const seed = Math.imul(atom + 1, 0x9e3779b1);
  let count = 0;
  for (let position = 0; position < ordinals.length; position++) {
    let hash = Math.imul(position ^ seed, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
    if (hash >>> 0 < below) members[count++] = ordinals[position] ?? 0;
  }
  return members.subarray(0, count);
}

function countCommon(members: readonly Uint32Array[]): number {
  const [smallest, ...others] = members.toSorted((a, b) => a.length - b.length);
  const at = others.map(() => 0);
  let count = 0;
  for (const ordinal of smallest ?? []) {
    let isCommon = true;
    for (const [other, ordinals] of others.entries()) {
      let next = at[other] ?? 0;
      while ((ordinals[next] ?? Infinity) < ordinal) next++;
      at[other] = next;
      if (ordinals[next] !== ordinal) isCommon = false;
    }
    if (isCommon) count++;
  }
  return count;
}

function setOf(ordinals: Uint32Array): OrdinalSet {
  const set = new OrdinalSet();
  set.addOffsets(0, ordinals);
  return set;
}

/** As a build ends, but for where the bitmap comes from. */
async function writeAtom(database: Database, environment: Environment, atomId: number, set: OrdinalSet): Promise<void> {
  await inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const payload = encodeFlips({ catalogChanged: true, atoms: new Map() });
    const { revision } = await takeRevision(tx, environment.id, payload, true);
    await leaseAtom(tx, environment.id, atomId, OWNER, LEASE_MS);
    const chunks = [...set.chunkNumbers()].flatMap((number) => set.chunk(number) ?? []);
    await writeChunks(tx, environment.id, atomId, revision, chunks);
    if (!(await markReady(tx, environment.id, atomId, OWNER, revision, chunks.length)))
      throw new Error('the atom is not ready');
  });
}
