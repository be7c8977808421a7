import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { OrdinalSet } from '../core/bitmap.js';
import { RollcallError } from '../core/errors.js';
import type { Sql } from '../storage/database.js';
import { readIdentities, type StoredIdentity } from '../storage/identities.js';

/** Clients take answers of 4 MiB; a sample that stopped short of its size would not be uniform. */
const MAX_SAMPLE_LENGTH = 3 * 2 ** 20;
const STEP_WITH_TRAITS = 25;

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

/** The identities that were drawn, with their traits or without, in the order of the ordinals. Throws INVALID_REQUEST where their traits are too large for one answer. */
export async function readSample(
  sql: Sql,
  environmentId: number,
  ordinals: Float64Array,
  includeTraits: boolean,
): Promise<StoredIdentity[]> {
  if (!includeTraits) return readIdentities(sql, environmentId, [...ordinals], false);
  const identities: StoredIdentity[] = [];
  let length = 0;
  for (let from = 0; from < ordinals.length; from += STEP_WITH_TRAITS) {
    const step = [...ordinals.subarray(from, from + STEP_WITH_TRAITS)];
    for (const identity of await readIdentities(sql, environmentId, step, true)) {
      length += identity.identifier.length + identity.traits.length;
      identities.push(identity);
    }
    if (length > MAX_SAMPLE_LENGTH) throw tooLarge(ordinals.length);
  }
  return identities;
}

function tooLarge(size: number): RollcallError {
  return new RollcallError(
    'INVALID_REQUEST',
    `the traits of these ${size} members are too large for one answer: ask for fewer members, or leave out their traits`,
    { metadata: { field: 'size' } },
  );
}
