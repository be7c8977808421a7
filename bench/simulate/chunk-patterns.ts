import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { type Chunk, CHUNK_SIZE, OrdinalSet } from '../../src/core/bitmap.js';

/** How the identities of an atom lie in its chunks: each by itself, or in runs that are in or out together. */
export interface Lay {
  readonly name: string;
  readonly share: number;
  readonly run: number;
}

/** Offsets within a chunk, ascending, by pattern. */
export type Patterns = readonly Uint32Array[];

/** Chunks of an atom differ from each other as often as this, then their patterns come again: it changes neither bytes nor work. */
const PATTERNS = 64;

/** The patterns of a lay, drawn by a seed. */
export function drawPatterns({ share, run }: Lay, seed: number): Patterns {
  const random = xoroshiro128plus(seed);
  return Array.from({ length: PATTERNS }, () => {
    const offsets: number[] = [];
    for (let from = 0; from < CHUNK_SIZE; from += run) {
      if ((random.next() >>> 0) / 2 ** 32 >= share) continue;
      for (let offset = from; offset < Math.min(from + run, CHUNK_SIZE); offset++) offsets.push(offset);
    }
    return Uint32Array.from(offsets);
  });
}

/** The chunks numbered from `from` to below `to`, as the service stores them; those that hold none are left out. */
export function* chunksOf(patterns: Patterns, from: number, to: number): Generator<Chunk> {
  for (let number = from; number < to; number++) {
    const set = new OrdinalSet();
    set.addOffsets(number * CHUNK_SIZE, patternOf(patterns, number));
    const chunk = set.chunk(number);
    set.dispose();
    if (chunk !== undefined) yield chunk;
  }
}

/** How many ordinals of the chunks from 0 to below `chunks` are in the patterns of each of several atoms. */
export function countCommon(atoms: readonly Patterns[], chunks: number): number {
  let count = 0;
  for (let pattern = 0; pattern < PATTERNS; pattern++) {
    const [first = new Uint32Array(), ...others] = atoms.map((patterns) => patternOf(patterns, pattern));
    const sets = others.map((offsets) => new Set(offsets));
    const common = first.filter((offset) => sets.every((set) => set.has(offset))).length;
    count += common * Math.ceil((chunks - pattern) / PATTERNS);
  }
  return count;
}

function patternOf(patterns: Patterns, number: number): Uint32Array {
  return patterns[number % PATTERNS] ?? new Uint32Array();
}
