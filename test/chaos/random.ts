import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Draws that follow from a seed alone. */
export interface Random {
  /** From `from` to `to`, both included. */
  int(from: number, to: number): number;
  /** True in about `share` of the draws, a share between 0 and 1. */
  chance(share: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** Any bytes. */
  bytes(length: number): Buffer;
}

/** `stream` tells draws of one seed apart, so that one part of a run does not depend on how often another draws. */
export function createRandom(seed: number, stream: number): Random {
  const generator = xoroshiro128plus((Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream, 0x85ebca77)) | 0);
  const int = (from: number, to: number): number => uniformInt(generator, from, to);
  return {
    int,
    chance: (share) => int(0, 999_999) < share * 1_000_000,
    pick(items) {
      const item = items[int(0, items.length - 1)];
      if (item === undefined) throw new Error('nothing to pick from');
      return item;
    },
    bytes: (length) => Buffer.from(Array.from({ length }, () => int(0, 255))),
  };
}
