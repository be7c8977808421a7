import { OrdinalSet } from '../../src/core/bitmap.js';
import { UNIVERSE_ATOM_ID } from '../../src/core/flips.js';
import { fold } from '../../src/indexing/fold.js';
import { EnvironmentIndex } from '../../src/query/environment-index.js';
import { SetCache } from '../../src/query/set-cache.js';
import { readChunks } from '../../src/storage/chunks.js';
import { type Database, inTransaction } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import { expectedOrdinals, viewsOf } from './compare-atoms.js';
import type { EnvironmentSnapshot } from './snapshot.js';

const CACHE_BYTES = 64 * 2 ** 20;
const FOLD_BYTES = 2 ** 20;

/**
 * Where nobody writes: what a reader of the service's own makes of every atom, and then, the log folded to its end, every chunk row byte for byte (I1, I9).
 */
export async function compareStoredBytes(database: Database, snapshot: EnvironmentSnapshot): Promise<string[]> {
  const problems = await compareIndex(database, snapshot);
  while (!(await fold(database, snapshot.environment.id, FOLD_BYTES)));
  return [...problems, ...(await compareChunks(database, snapshot))];
}

function atomIds({ atoms }: EnvironmentSnapshot): number[] {
  return [UNIVERSE_ATOM_ID, ...atoms.filter(({ state }) => state === 'ready').map(({ id }) => id)];
}

function expectedSet(snapshot: EnvironmentSnapshot, atomId: number): OrdinalSet {
  const atom = snapshot.atoms.find(({ id }) => id === atomId);
  return OrdinalSet.of(expectedOrdinals(snapshot, viewsOf(snapshot), atom));
}

async function compareIndex(database: Database, snapshot: EnvironmentSnapshot): Promise<string[]> {
  const index = createIndex(database, snapshot.environment);
  const ids = atomIds(snapshot);
  await index.load(ids);
  await index.load(ids);
  const problems: string[] = [];
  for (const id of ids) {
    const key = id === UNIVERSE_ATOM_ID ? 'universe' : index.catalog.atomById(id)?.key;
    const loaded = key === undefined ? undefined : index.cloneAtom(key);
    if (loaded?.equals(expectedSet(snapshot, id)) !== true)
      problems.push(`${snapshot.environment.key}: the index has atom ${id} wrong`);
  }
  return problems;
}

function createIndex(database: Database, environment: Environment): EnvironmentIndex {
  return new EnvironmentIndex(database, environment, {
    chunkCache: new SetCache(CACHE_BYTES),
    composedCache: new SetCache(CACHE_BYTES),
    maxStalenessMs: 60_000,
    onCorrupt: () => undefined,
  });
}

async function compareChunks(database: Database, snapshot: EnvironmentSnapshot): Promise<string[]> {
  const ids = atomIds(snapshot);
  const stored = new Map<string, Buffer>();
  await inTransaction(database, { isolation: 'repeatable read', readOnly: true }, async (tx) => {
    for await (const chunks of readChunks(tx, snapshot.environment.id, ids))
      for (const { atomId, chunk, bitmap } of chunks) stored.set(`${atomId}:${chunk}`, bitmap);
  });
  const problems: string[] = [];
  for (const id of ids) {
    const set = expectedSet(snapshot, id);
    for (const number of set.chunkNumbers()) {
      const place = `${id}:${number}`;
      const expected = set.chunk(number)?.bitmap;
      if (expected === undefined || stored.get(place)?.equals(expected) !== true)
        problems.push(`${snapshot.environment.key}: chunk ${place} is not byte for byte what it should be`);
      stored.delete(place);
    }
  }
  return [
    ...problems,
    ...[...stored.keys()].map((place) => `${snapshot.environment.key}: chunk ${place} should not be there`),
  ];
}
