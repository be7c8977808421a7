import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { OrdinalSet } from '../core/bitmap.js';

/**
 * At most `size` ordinals of a set, uniform and without replacement, ascending. The same seed, set and size give the same ordinals. Floyd's algorithm:
 * as many draws as there are ordinals to give, whatever the size of the set.
 */
export function sampleOrdinals(set: OrdinalSet, size: number, seed: bigint): Float64Array {
  const random = xoroshiro128plus(Number(BigInt.asIntN(32, seed ^ (seed >> 32n))));
  const population = set.size;
  const ranks = new Set<number>();
  for (let last = Math.max(0, population - size); last < population; last++) {
    const rank = uniformInt(random, 0, last);
    ranks.add(ranks.has(rank) ? last : rank);
  }
  return Float64Array.from(
    [...ranks].sort((a, b) => a - b),
    (rank) => set.at(rank) ?? 0,
  );
}
