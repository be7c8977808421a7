import { RollcallError } from '../../core/errors.js';
import {
  readCapturedEnvironments,
  readCapturedIdentities,
  readCapturedTraits,
  readHolders,
  readReleasable,
  readWaiting,
  type WaitingCapture,
} from '../../storage/captures.js';
import type { Sql } from '../../storage/database.js';
import type { Place } from '../../storage/kafka-offsets.js';
import { decodeMessage } from '../kafka/decode-message.js';
import type { KafkaMessage } from '../kafka/message.js';
import {
  type CapturedMessage,
  claimOf,
  type IdentityRow,
  type LoadedCaptures,
  type WaitingRow,
} from './captured-messages.js';
import type { CapturedRow } from './captured-row.js';
import { readState } from './identity-capture.js';

/** Identities whose waiting rows go with one batch. */
const MAX_RELEASED = 500;

/** Reads what is known of that which the rows of a batch are about, and rows of the partition that had waited and can go. */
export async function loadCaptures(
  sql: Sql,
  place: Place,
  messages: readonly CapturedMessage[],
): Promise<LoadedCaptures> {
  const releasable = await readReleasable(sql, place, MAX_RELEASED);
  const ids = [...new Set([...releasable, ...messages.flatMap(({ row }) => identityIdsOf(row))])];
  const waiting = ids.length === 0 ? new Map<number, WaitingRow[]>() : await readWaitingRows(sql, place, ids);
  const rows = [...messages.map(({ row }) => row), ...[...waiting.values()].flat().map(({ row }) => row)];
  const environments = await loadEnvironments(sql, rows);
  const states = await loadStates(sql, ids, rows.filter(isIdentity));
  const holders = await loadHolders(sql, rows.filter(isIdentity), [...environments.values()]);
  for (const { id, environmentKey, identifier } of states.values())
    holders.set(claimOf(environmentKey, identifier), id);
  return { environments, states, holders, waiting };
}

function identityIdsOf(row: CapturedRow): number[] {
  if (row.table === 'environment') return [];
  const ids =
    row.table === 'identity' ? [row.before?.id, row.after?.id] : [row.before?.identityId, row.after?.identityId];
  return ids.filter((id) => id !== undefined);
}

function isIdentity(row: CapturedRow): row is IdentityRow {
  return row.table === 'identity';
}

async function readWaitingRows(sql: Sql, place: Place, ids: readonly number[]): Promise<Map<number, WaitingRow[]>> {
  const waiting = new Map<number, WaitingRow[]>();
  for (const stored of await readWaiting(sql, place, ids)) {
    const row = decodeStored(messageOf(place, stored));
    const rows = waiting.get(stored.identityId);
    if (rows === undefined) waiting.set(stored.identityId, [row]);
    else rows.push(row);
  }
  return waiting;
}

function messageOf({ topic, partition }: Place, { offset, key, value, timestampMs }: WaitingCapture): KafkaMessage {
  return {
    topic,
    partition,
    offset,
    timestampMs,
    key,
    value,
    headers: new Map([['content-type', 'application/json']]),
  };
}

/** It was decoded before it was kept. */
function decodeStored(message: KafkaMessage): WaitingRow {
  const decoded = decodeMessage(message);
  if (decoded.kind !== 'captured' || decoded.row.table === 'environment')
    throw new RollcallError('INTERNAL', 'a waiting row is not of an identity or a trait');
  return { message, row: decoded.row, isStored: true };
}

async function loadEnvironments(sql: Sql, rows: readonly CapturedRow[]): Promise<Map<number, string>> {
  const ids = rows.flatMap((row) => {
    if (row.table === 'environment') return [(row.after ?? row.before).id];
    return row.table === 'identity' && row.after !== undefined ? [row.after.environmentId] : [];
  });
  return ids.length === 0 ? new Map() : readCapturedEnvironments(sql, [...new Set(ids)]);
}

/** Their traits are read only where an identity's row will ask: most rows are traits'. */
async function loadStates(sql: Sql, ids: readonly number[], identities: readonly IdentityRow[]) {
  if (ids.length === 0) return new Map<number, ReturnType<typeof readState>>();
  const captures = await readCapturedIdentities(sql, ids);
  const changing = new Set(identities.map(({ after }) => after?.id));
  const asked = captures.map(({ id }) => id).filter((id) => changing.has(id));
  const traits = asked.length === 0 ? new Map<number, string>() : await readCapturedTraits(sql, asked);
  return new Map(
    captures.map((capture) => {
      const text = changing.has(capture.id) ? (traits.get(capture.id) ?? '{}') : undefined;
      return [capture.id, readState(capture, text)];
    }),
  );
}

async function loadHolders(
  sql: Sql,
  identities: readonly IdentityRow[],
  environmentKeys: readonly string[],
): Promise<Map<string, number>> {
  const identifiers = [...new Set(identities.flatMap(({ after }) => (after === undefined ? [] : [after.identifier])))];
  if (identifiers.length === 0 || environmentKeys.length === 0) return new Map();
  const holders = await readHolders(sql, [...new Set(environmentKeys)], identifiers);
  return new Map(holders.map(({ id, environmentKey, identifier }) => [claimOf(environmentKey, identifier), id]));
}
