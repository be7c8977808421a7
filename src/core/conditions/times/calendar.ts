/** A moment by a clock and calendar of its own zone. */
export interface CivilTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** Microseconds since midnight. */
  readonly clock: number;
  /** How far the zone is ahead of UTC, in microseconds. */
  readonly offset: number;
}

export const SECOND = 1_000_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Microseconds since 1970 in UTC. */
export function instantOf({ year, month, day, clock, offset }: CivilTime): bigint {
  return BigInt(daysSince1970(year, month, day)) * BigInt(DAY) + BigInt(clock - offset);
}

/** Whether there is such a day from the year 1 to 9999. */
export function isDate(year: number, month: number, day: number): boolean {
  if (year < 1 || year > 9999 || month < 1 || month > 12) return false;
  return day >= 1 && day <= daysSince1970(year, month + 1, 1) - daysSince1970(year, month, 1);
}

/** The days from 1970-01-01; a month of 13 is the January after. */
function daysSince1970(year: number, month: number, day: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return Math.round(date.getTime() / 86_400_000);
}

/** The date of a day of an ISO week (Monday is 1); undefined where the year has no such week. */
export function dateOfWeek(
  year: number,
  week: number,
  day: number,
): Pick<CivilTime, 'year' | 'month' | 'day'> | undefined {
  if (year < 1 || week < 1 || day < 1 || day > 7) return undefined;
  const start = startOfWeeks(year);
  if (start + week * 7 > startOfWeeks(year + 1)) return undefined;
  const date = new Date((start + (week - 1) * 7 + day - 1) * 86_400_000);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}

/** The Monday of the week that holds January 4, in days since 1970-01-01, which was a Thursday. */
function startOfWeeks(year: number): number {
  const fourth = daysSince1970(year, 1, 4);
  return fourth - ((((fourth + 3) % 7) + 7) % 7);
}
