import { checkIdentifier } from '../../core/check-identifier.js';
import { checkTrait, DEFAULT_TRAIT_LIMITS } from '../../core/check-trait.js';
import { RollcallError } from '../../core/errors.js';
import { formatTrait } from '../../core/trait-text.js';
import type { TraitValue } from '../../core/values.js';
import { checkEnvironmentKey } from '../decode.js';
import { parseJsonText } from '../kafka/json-text.js';
import type { CapturedEnvironment, CapturedIdentity, CapturedTrait } from './captured-row.js';
import { columnOf, isObject, type JsonObject, notWhole, readId } from './row-fields.js';

export const ENVIRONMENT_TABLE = 'environments_environment';
export const IDENTITY_TABLE = 'environments_identity';
export const TRAIT_TABLE = 'environments_trait';

/** Throws INVALID_REQUEST. */
export function decodeEnvironmentRow(row: JsonObject): CapturedEnvironment {
  const id = readId(columnOf(row, 'id', ENVIRONMENT_TABLE));
  const environmentKey = columnOf(row, 'api_key', ENVIRONMENT_TABLE);
  if (id === undefined || typeof environmentKey !== 'string') throw notWhole(ENVIRONMENT_TABLE);
  checkEnvironmentKey(environmentKey);
  return { id, environmentKey };
}

/** Of a deleted environment only the id counts. Throws INVALID_REQUEST. */
export function decodeEnvironmentId(row: JsonObject): Pick<CapturedEnvironment, 'id'> {
  const id = readId(columnOf(row, 'id', ENVIRONMENT_TABLE));
  if (id === undefined) throw notWhole(ENVIRONMENT_TABLE);
  return { id };
}

/** Throws INVALID_REQUEST, INVALID_IDENTIFIER or INVALID_TRAIT. */
export function decodeIdentityRow(row: JsonObject): CapturedIdentity {
  const id = readId(columnOf(row, 'id', IDENTITY_TABLE));
  const environmentId = readId(columnOf(row, 'environment_id', IDENTITY_TABLE));
  const identifier = columnOf(row, 'identifier', IDENTITY_TABLE);
  // Where the database told the key only, the other columns that are never null come as zeros and empty texts.
  if (id === undefined || environmentId === undefined || typeof identifier !== 'string' || identifier === '')
    throw notWhole(IDENTITY_TABLE);
  checkIdentifier(identifier);
  return { id, identifier, environmentId, systemTraits: readSystemTraits(row) };
}

/** Throws INVALID_REQUEST or INVALID_TRAIT. */
export function decodeTraitRow(row: JsonObject): CapturedTrait {
  const identityId = readId(columnOf(row, 'identity_id', TRAIT_TABLE));
  const key = columnOf(row, 'trait_key', TRAIT_TABLE);
  if (identityId === undefined || typeof key !== 'string') throw notWhole(TRAIT_TABLE);
  const value = readValue(row);
  checkTrait(key, value, DEFAULT_TRAIT_LIMITS);
  return { identityId, key, text: value === null ? null : formatTrait(value) };
}

/** The column that the row's type names, as Flagsmith reads it; a null there is no value. */
function readValue(row: JsonObject): TraitValue {
  const type = columnOf(row, 'value_type', TRAIT_TABLE);
  const column = typeof type === 'string' ? COLUMNS.get(type) : undefined;
  if (column === undefined) {
    if (type === undefined || type === '') throw notWhole(TRAIT_TABLE);
    throw new RollcallError(
      'INVALID_TRAIT',
      'the value_type of a captured trait is one of int, unicode, bool and float',
    );
  }
  const raw = columnOf(row, column.name, TRAIT_TABLE);
  const value = raw === undefined ? null : column.read(raw);
  if (value !== undefined) return value;
  throw new RollcallError('INVALID_TRAIT', `the ${column.name} of a captured trait holds no such value`);
}

interface ValueColumn {
  readonly name: string;
  /** undefined where it is no value of the type. */
  readonly read: (raw: TraitValue) => TraitValue | undefined;
}

const COLUMNS: ReadonlyMap<string, ValueColumn> = new Map<string, ValueColumn>([
  ['int', { name: 'integer_value', read: readInteger }],
  ['unicode', { name: 'string_value', read: (raw) => (typeof raw === 'string' ? raw : undefined) }],
  ['bool', { name: 'boolean_value', read: (raw) => (typeof raw === 'boolean' ? raw : undefined) }],
  ['float', { name: 'float_value', read: readFloat }],
]);

function readInteger(raw: TraitValue): bigint | undefined {
  if (typeof raw === 'bigint') return raw;
  return typeof raw === 'string' && /^-?[0-9]{1,20}$/.test(raw) ? BigInt(raw) : undefined;
}

function readFloat(raw: TraitValue): number | undefined {
  const isNumber = typeof raw === 'number' || typeof raw === 'bigint';
  const isDigits = typeof raw === 'string' && /^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$/.test(raw);
  const value = isNumber || isDigits ? Number(raw) : NaN;
  return Number.isFinite(value) ? value : undefined;
}

/** JSON of the source arrives as its text; null where the column was never set. */
function readSystemTraits(row: JsonObject): ReadonlyMap<string, string> {
  const column = columnOf(row, 'system_traits', IDENTITY_TABLE);
  const value = typeof column === 'string' ? parseJsonText(column) : (column ?? null);
  if (value === null) return new Map();
  if (!isObject(value))
    throw new RollcallError('INVALID_TRAIT', 'the system_traits of a captured identity are no object');
  return new Map(Object.entries(value).map(([key, trait]) => [key, systemTrait(key, trait)]));
}

function systemTrait(key: string, value: TraitValue): string {
  checkTrait(key, value, DEFAULT_TRAIT_LIMITS);
  return formatTrait(value);
}
