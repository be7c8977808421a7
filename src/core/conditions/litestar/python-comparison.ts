import { isList } from '../../trait-text.js';
import type { TraitValue } from '../../values.js';
import { compareText, type Order } from '../compare.js';

/** Python's `a == b`: numbers by their value (true is 1, 1 is 1.0), lists and objects by what is in them; a text equals only a text. */
export function isEqual(a: TraitValue, b: TraitValue): boolean {
  if (a === b) return true;
  const [numberA, numberB] = [numberOf(a), numberOf(b)];
  if (numberA !== undefined && numberB !== undefined) return compareNumbers(numberA, numberB) === 0;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (isList(a) || isList(b))
    return isList(a) && isList(b) && a.length === b.length && firstDifference(a, b) === a.length;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key] ?? null, b[key] ?? null))
  );
}

/** How two values are ordered: numbers exactly, texts by code point, lists item by item; undefined across types, where Python raises. */
export function orderOf(a: TraitValue, b: TraitValue): Order | undefined {
  const [numberA, numberB] = [numberOf(a), numberOf(b)];
  if (numberA !== undefined && numberB !== undefined) return compareNumbers(numberA, numberB);
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || !isList(a) || !isList(b))
    return undefined;
  const at = firstDifference(a, b);
  const [itemA, itemB] = [a[at], b[at]];
  return itemA === undefined || itemB === undefined ? a.length - b.length : orderOf(itemA, itemB);
}

/** Python's truth of a value: false for "", 0, 0.0, false, null, [] and {}. */
export function isTruthy(value: TraitValue): boolean {
  if (typeof value !== 'object' || value === null) return Boolean(value);
  return (isList(value) ? value : Object.keys(value)).length > 0;
}

/** A boolean is a number too: true is 1. */
function numberOf(value: TraitValue): bigint | number | undefined {
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return typeof value === 'bigint' || typeof value === 'number' ? value : undefined;
}

/** Exact: the language compares an integer with a float by their mathematical values. */
function compareNumbers(a: bigint | number, b: bigint | number): Order {
  if (a < b) return -1;
  return a > b ? 1 : 0;
}

function firstDifference(a: readonly TraitValue[], b: readonly TraitValue[]): number {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && isEqual(a[at] ?? null, b[at] ?? null)) at += 1;
  return at;
}
