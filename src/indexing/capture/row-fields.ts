import { RollcallError } from '../../core/errors.js';
import { isList } from '../../core/trait-text.js';
import type { TraitValue } from '../../core/values.js';

/** An object of JSON. */
export type JsonObject = Readonly<Record<string, TraitValue>>;

/** What Debezium sends in place of a column that the database did not tell. */
const UNAVAILABLE = '__debezium_unavailable_value';

export function isObject(value: TraitValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !isList(value);
}

/** A member of an object's own; undefined where there is none. */
export function memberOf(object: JsonObject, name: string): TraitValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** An id, from a number or its digits: at least 1. undefined where the value is none. */
export function readId(value: TraitValue | undefined): number | undefined {
  const text = typeof value === 'bigint' ? value.toString() : value;
  if (typeof text !== 'string' || !/^[1-9][0-9]{0,15}$/.test(text)) return undefined;
  const id = Number(text);
  return Number.isSafeInteger(id) ? id : undefined;
}

/** A column's value: null and missing alike are undefined. Throws INVALID_REQUEST where the database did not tell it. */
export function columnOf(row: JsonObject, column: string, table: string): TraitValue | undefined {
  const value = memberOf(row, column);
  if (value === UNAVAILABLE) throw notWhole(table);
  return value ?? undefined;
}

/** The refusal of a row that does not hold all its columns. */
export function notWhole(table: string): RollcallError {
  return new RollcallError(
    'INVALID_REQUEST',
    `the captured row of ${table} is not whole: run ALTER TABLE ${table} REPLICA IDENTITY FULL in the source, and capture the columns that are named in the README`,
    { metadata: { table } },
  );
}
