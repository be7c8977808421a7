import type { TraitValue } from '../../values.js';
import { DAY, instantOf, SECOND } from './calendar.js';
import { readIsoTime } from './iso-time.js';

/** A moment, and what a clock in its own zone shows. */
export interface Time {
  /** Microseconds since 1970 in UTC. */
  readonly instant: bigint;
  /** Microseconds since midnight in the zone that the text names; UTC where there is none. */
  readonly clock: number;
}

/** Reads an ISO 8601 text (see `readIsoTime`), or a number of seconds since 1970; undefined where it is neither, or beyond the years 1 to 9999. */
export function readTime(value: TraitValue): Time | undefined {
  if (typeof value === 'string') {
    const time = readIsoTime(value);
    return time && { instant: instantOf(time), clock: time.clock };
  }
  const micros = microsOf(value);
  if (micros === undefined || micros < FIRST || micros >= END) return undefined;
  const day = BigInt(DAY);
  return { instant: micros, clock: Number(((micros % day) + day) % day) };
}

/** The years 1 to 9999. */
const FIRST = -62_135_596_800n * BigInt(SECOND);
const END = 253_402_300_800n * BigInt(SECOND);

function microsOf(value: Exclude<TraitValue, string>): bigint | undefined {
  if (typeof value === 'bigint') return value * BigInt(SECOND);
  if (typeof value === 'boolean') return value ? BigInt(SECOND) : 0n;
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  const seconds = Math.trunc(value);
  return BigInt(seconds) * BigInt(SECOND) + BigInt(roundHalfEven((value - seconds) * SECOND));
}

function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
