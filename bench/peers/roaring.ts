import roaring from 'roaring';
import { compileSegment } from '../../src/core/compile.js';
import { UNIVERSE_ATOM_ID } from '../../src/core/flips.js';
import { atomsOf } from '../../src/core/predicates.js';
import { readAtoms } from '../../src/storage/atoms.js';
import { readChunks } from '../../src/storage/chunks.js';
import { inTransaction } from '../../src/storage/database.js';
import type { Question } from '../world/questions.js';
import { BENCH_SEGMENTS } from '../world/segments.js';
import type { World } from '../world/world.js';
import type { Peer } from './peer.js';

const { RoaringBitmap32 } = roaring;
type Bitmap = roaring.RoaringBitmap32;

/** The least that there is to do: the set operation over the atoms' bitmaps in memory, of which only the cardinality is wanted. */
export async function roaringPeer(world: World): Promise<Peer> {
  const universe = await readBitmap(world, UNIVERSE_ATOM_ID);
  const bitmaps = new Map<string, Bitmap>();
  for (const { id, key } of await readAtoms(world.database.sql, world.environment.id))
    bitmaps.set(key, await readBitmap(world, id));
  return {
    name: 'Roaring in process',
    counting(question) {
      const operands = atomKeysOf(world, question).map((key) => bitmaps.get(key) ?? new RoaringBitmap32());
      return () => Promise.resolve(cardinality(question, universe, operands));
    },
  };
}

function cardinality({ kind }: Question, universe: Bitmap, operands: readonly Bitmap[]): number {
  switch (kind) {
    case 'ALL':
    case 'SPLIT':
      return cardinalityOfAll(operands);
    case 'ANY':
      return RoaringBitmap32.orMany([...operands]).size;
    case 'NONE':
      return universe.size - RoaringBitmap32.orMany([...operands]).size;
  }
}

function cardinalityOfAll(operands: readonly Bitmap[]): number {
  const [first, second, ...rest] = [...operands].sort((a, b) => a.size - b.size);
  if (first === undefined) return 0;
  if (second === undefined) return first.size;
  const last = rest.pop();
  if (last === undefined) return first.andCardinality(second);
  const both = RoaringBitmap32.and(first, second);
  for (const operand of rest) both.andInPlace(operand);
  return both.andCardinality(last);
}

/** The atoms of a question; each of its conditions is one. */
function atomKeysOf({ environment }: World, { key }: Question): string[] {
  const segment = BENCH_SEGMENTS.find((stored) => stored.key === key);
  if (segment === undefined) throw new Error(`there is no segment ${key}`);
  const { predicate } = compileSegment(key, segment.definition, { environment, definitionOf: () => undefined });
  return [...atomsOf(predicate).keys()];
}

async function readBitmap({ database, environment }: World, atomId: number): Promise<Bitmap> {
  return inTransaction(database, { isolation: 'repeatable read', readOnly: true }, async (tx) => {
    const chunks: Bitmap[] = [];
    for await (const batch of readChunks(tx, environment.id, [atomId]))
      for (const { bitmap } of batch) chunks.push(RoaringBitmap32.deserialize(bitmap, 'portable'));
    return RoaringBitmap32.orMany(chunks);
  });
}
