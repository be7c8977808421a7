import type { People } from './load.js';

/**
 * Where the ordinals of an environment lie: `dense` from 1 on; `clustered` in runs with gaps nine times as long; `spread` over a billion, as the keys of
 * one tenant among many do.
 */
export const DISTRIBUTIONS = ['dense', 'clustered', 'spread'] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

const RUN = 5_000;
const RUN_EVERY = 50_000;
const SPREAD_OVER = 1_000_000_000;

/** The ordinal of the identity at a position from 1 on; ascends with it. */
export function ordinalAt({ count, distribution }: People, position: number): number {
  switch (distribution) {
    case 'dense':
      return position;
    case 'clustered':
      return Math.floor(position / RUN) * RUN_EVERY + (position % RUN);
    case 'spread': {
      const width = Math.floor(SPREAD_OVER / count);
      return (position - 1) * width + 1 + ((Math.imul(position, 0x85ebca6b) >>> 0) % width);
    }
  }
}

export function lastOrdinal(people: People): number {
  return ordinalAt(people, people.count);
}
