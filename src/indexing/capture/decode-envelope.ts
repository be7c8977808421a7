import { RollcallError } from '../../core/errors.js';
import type { TraitValue } from '../../core/values.js';
import { parseJsonBytes } from '../kafka/json-text.js';
import type { CapturedRow } from './captured-row.js';
import {
  decodeEnvironmentId,
  decodeEnvironmentRow,
  decodeIdentityRow,
  decodeTraitRow,
  ENVIRONMENT_TABLE,
  IDENTITY_TABLE,
  TRAIT_TABLE,
} from './decode-row.js';
import { isObject, type JsonObject, memberOf, notWhole, readId } from './row-fields.js';

type RowReader<Row> = (row: JsonObject) => Row;

/** Debezium's envelope, alone or with its schema beside it; undefined where the value is something else. */
export function envelopeOf(value: TraitValue): JsonObject | undefined {
  const envelope = unwrapped(value);
  if (!isObject(envelope)) return undefined;
  return Object.hasOwn(envelope, 'op') && Object.hasOwn(envelope, 'source') ? envelope : undefined;
}

/** What happened to which row. The message's key is read for what rows of one identity have in common. Throws INVALID_REQUEST, INVALID_IDENTIFIER or INVALID_TRAIT. */
export function decodeEnvelope(envelope: JsonObject, key: Buffer | null): CapturedRow {
  const source = memberOf(envelope, 'source');
  const table = isObject(source) ? memberOf(source, 'table') : undefined;
  if (memberOf(envelope, 'op') === 't') throw truncated(table);
  switch (table) {
    case ENVIRONMENT_TABLE:
      return decodeEnvironmentChange(envelope);
    case IDENTITY_TABLE: {
      const { before, after } = decodeChange(envelope, IDENTITY_TABLE, decodeIdentityRow);
      checkKey(key, [before?.id, after?.id]);
      if (after !== undefined) return { table: 'identity', before, after };
      if (before !== undefined) return { table: 'identity', before, after };
      throw notWhole(IDENTITY_TABLE);
    }
    case TRAIT_TABLE: {
      const { before, after } = decodeChange(envelope, TRAIT_TABLE, decodeTraitRow);
      checkKey(key, [before?.identityId, after?.identityId]);
      if (after !== undefined) return { table: 'trait', before, after };
      if (before !== undefined) return { table: 'trait', before, after };
      throw notWhole(TRAIT_TABLE);
    }
    default:
      throw unknownTable(table);
  }
}

function decodeEnvironmentChange(envelope: JsonObject): CapturedRow {
  const op = memberOf(envelope, 'op');
  if (op === 'd')
    return {
      table: 'environment',
      before: rowOf(envelope, 'before', ENVIRONMENT_TABLE, decodeEnvironmentId),
      after: undefined,
    };
  if (op !== 'c' && op !== 'r' && op !== 'u') throw unknownOperation(op);
  return {
    table: 'environment',
    before: undefined,
    after: rowOf(envelope, 'after', ENVIRONMENT_TABLE, decodeEnvironmentRow),
  };
}

function decodeChange<Row>(
  envelope: JsonObject,
  table: string,
  read: RowReader<Row>,
): { readonly before: Row | undefined; readonly after: Row | undefined } {
  const op = memberOf(envelope, 'op');
  switch (op) {
    case 'c':
    case 'r':
      return { before: undefined, after: rowOf(envelope, 'after', table, read) };
    case 'u':
      return { before: rowOf(envelope, 'before', table, read), after: rowOf(envelope, 'after', table, read) };
    case 'd':
      return { before: rowOf(envelope, 'before', table, read), after: undefined };
    default:
      throw unknownOperation(op);
  }
}

function rowOf<Row>(envelope: JsonObject, side: 'before' | 'after', table: string, read: RowReader<Row>): Row {
  const row = memberOf(envelope, side);
  if (!isObject(row)) throw notWhole(table);
  return read(row);
}

/** All rows of an identity must come in order, hence by one partition: by a key that is the identity's id. */
function checkKey(key: Buffer | null, identityIds: readonly (number | undefined)[]): void {
  const keyed = key === null ? undefined : idOfKey(key);
  if (keyed !== undefined && identityIds.includes(keyed)) return;
  throw new RollcallError(
    'INVALID_REQUEST',
    "the message's key is not the id of the row's identity: route both tables to one topic (ByLogicalTableRouter with key.enforce.uniqueness=false, or RegexRouter) and set " +
      `message.key.columns to "(.*).${IDENTITY_TABLE}:id;(.*).${TRAIT_TABLE}:identity_id"`,
    { metadata: { field: 'key' } },
  );
}

/** The identity's id in a key: `{"id": 5}` or `{"identity_id": 5}`, alone or with its schema beside it, or `5`; undefined where it is none of them. */
function idOfKey(key: Buffer): number | undefined {
  const value = unwrapped(jsonOfKey(key));
  return isObject(value) ? readId(memberOf(value, 'identity_id') ?? memberOf(value, 'id')) : readId(value);
}

function jsonOfKey(key: Buffer): TraitValue {
  try {
    return parseJsonBytes(key);
  } catch (error) {
    if (error instanceof RollcallError) return null;
    throw error;
  }
}

function unwrapped(value: TraitValue): TraitValue {
  return isObject(value) ? (memberOf(value, 'payload') ?? value) : value;
}

function truncated(table: TraitValue | undefined): RollcallError {
  return new RollcallError(
    'INVALID_REQUEST',
    `${typeof table === 'string' ? table : 'a table'} was truncated, which names no row: delete the environment here, create it again and let Debezium take a new snapshot; ` +
      'set skipped.operations to "t" in the connector to leave such events out',
  );
}

function unknownTable(table: TraitValue | undefined): RollcallError {
  const name = typeof table === 'string' ? `'${table.slice(0, 100).toWellFormed()}'` : 'none';
  return new RollcallError(
    'INVALID_REQUEST',
    `the captured row's table is ${name}: set table.include.list to ${ENVIRONMENT_TABLE}, ${IDENTITY_TABLE} and ${TRAIT_TABLE}`,
  );
}

function unknownOperation(op: TraitValue | undefined): RollcallError {
  const name = typeof op === 'string' ? `'${op.slice(0, 20).toWellFormed()}'` : 'none';
  return new RollcallError('INVALID_REQUEST', `the operation of a captured row is c, r, u or d; this one is ${name}`);
}
