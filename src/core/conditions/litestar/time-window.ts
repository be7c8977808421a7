import { readPythonInt } from '../../python/python-numbers.js';
import { isList } from '../../trait-text.js';
import type { TraitValue } from '../../values.js';
import { HOUR, MINUTE, SECOND } from '../times/calendar.js';
import { readTime, type Time } from '../times/read-time.js';

/**
 * Compiles {start, end}, both inclusive: two moments, or two times of day (`HH:MM` or `HH:MM:SS`), which are looked for on the clock of the value's own zone; a window
 * whose start is the later one goes over midnight. Anything else matches nothing. Other members (a `timezone`) are not looked at, nor are they by litestar-flags.
 */
export function compileTimeWindow(operand: TraitValue): (time: Time) => boolean {
  const [start, end] = boundsOf(operand);
  if (typeof start === 'string' && [...start].length <= 8 && !start.includes('T'))
    return compileClockWindow(start, end);
  const [first, last] = [readTime(start)?.instant, readTime(end)?.instant];
  if (first === undefined || last === undefined) return () => false;
  return ({ instant }) => first <= instant && instant <= last;
}

function boundsOf(operand: TraitValue): readonly [TraitValue, TraitValue] {
  if (typeof operand !== 'object' || operand === null || isList(operand)) return [null, null];
  return [memberOf(operand, 'start'), memberOf(operand, 'end')];
}

function memberOf(object: { readonly [key: string]: TraitValue }, key: string): TraitValue {
  return Object.hasOwn(object, key) ? (object[key] ?? null) : null;
}

function compileClockWindow(start: string, end: TraitValue): (time: Time) => boolean {
  const first = readClock(start);
  const last = typeof end === 'string' ? readClock(end) : undefined;
  if (first === undefined || last === undefined) return () => false;
  if (first <= last) return ({ clock }) => first <= clock && clock <= last;
  return ({ clock }) => clock >= first || clock <= last;
}

/** Microseconds since midnight; undefined where the text is no time of day. */
function readClock(text: string): number | undefined {
  const parts = text.split(':').map(readPythonInt);
  const [hour = -1, minute = 0, second = 0] = parts.map(Number);
  const isClock =
    parts.every((part) => part !== undefined) && isWithin(hour, 24) && isWithin(minute, 60) && isWithin(second, 60);
  return isClock ? hour * HOUR + minute * MINUTE + second * SECOND : undefined;
}

function isWithin(value: number, end: number): boolean {
  return value >= 0 && value < end;
}
