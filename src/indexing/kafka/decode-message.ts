import { isUtf8 } from 'node:buffer';
import type { Change } from '../../core/changes.js';
import { checkIdentifier } from '../../core/check-identifier.js';
import { RollcallError } from '../../core/errors.js';
import type { CapturedRow } from '../capture/captured-row.js';
import { decodeEnvelope, envelopeOf } from '../capture/decode-envelope.js';
import { checkEnvironmentKey, decodeChangeJson, type KeyedChange } from '../decode.js';
import { decodeProtobuf } from '../wire/decode-protobuf.js';
import { parseJsonBytes } from './json-text.js';
import type { KafkaMessage } from './message.js';

/** What a message says: a change, what happened to a row of a captured table, or nothing. */
export type DecodedMessage =
  | { readonly kind: 'change'; readonly environmentKey: string; readonly change: Change }
  | { readonly kind: 'captured'; readonly row: CapturedRow }
  | { readonly kind: 'nothing' };

/** What a valid change takes at most, several times over. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
/** No `IdentityChange` in protobuf begins with it. */
const OPENING_BRACE = 0x7b;

/** Throws RollcallError for whatever cannot be read, and nothing else: INVALID_REQUEST, INVALID_IDENTIFIER or INVALID_TRAIT. */
export function decodeMessage(message: KafkaMessage): DecodedMessage {
  const { key, value } = message;
  if ((value?.length ?? 0) + (key?.length ?? 0) > MAX_MESSAGE_BYTES)
    throw new RollcallError('INVALID_REQUEST', `the message is larger than ${MAX_MESSAGE_BYTES} bytes`);
  try {
    if (value === null) return decodeTombstone(key);
    return isJson(message, value) ? decodeJson(value, key) : changeOf(decodeProtobuf(value));
  } catch (cause) {
    if (cause instanceof RollcallError) throw cause;
    throw new RollcallError('INVALID_REQUEST', 'the message cannot be read', { cause });
  }
}

/** The identity that a key names, as `<environment key>:<identifier>`; undefined where it names none. */
export function identityOfKey(key: Buffer | null): KeyedIdentity | undefined {
  try {
    return key === null ? undefined : splitKey(key);
  } catch {
    return undefined;
  }
}

interface KeyedIdentity {
  readonly environmentKey: string;
  readonly identifier: string;
}

function isJson({ headers }: KafkaMessage, value: Buffer): boolean {
  if (value[0] === OPENING_BRACE) return true;
  return headers.get('content-type')?.trimStart().toLowerCase().startsWith('application/json') === true;
}

function decodeJson(value: Buffer, key: Buffer | null): DecodedMessage {
  const json = parseJsonBytes(value);
  const envelope = envelopeOf(json);
  if (envelope !== undefined) return { kind: 'captured', row: decodeEnvelope(envelope, key) };
  return changeOf(decodeChangeJson(json));
}

function changeOf({ environmentKey, change }: KeyedChange): DecodedMessage {
  return { kind: 'change', environmentKey, change };
}

/** A message without a value deletes the identity that its key names. Debezium's follow a delete that was an event of its own. */
function decodeTombstone(key: Buffer | null): DecodedMessage {
  if (key === null) throw badTombstone();
  if (key[0] === OPENING_BRACE || /^[0-9]+$/.test(key.toString('latin1'))) return { kind: 'nothing' };
  const { environmentKey, identifier } = splitKey(key);
  return { kind: 'change', environmentKey, change: { kind: 'delete', identifier, traits: new Map() } };
}

/** At the first colon. */
function splitKey(key: Buffer): KeyedIdentity {
  const text = isUtf8(key) ? key.toString('utf8') : '';
  const colon = text.indexOf(':');
  if (colon < 0) throw badTombstone();
  const environmentKey = text.slice(0, colon);
  const identifier = text.slice(colon + 1);
  checkEnvironmentKey(environmentKey);
  checkIdentifier(identifier);
  return { environmentKey, identifier };
}

function badTombstone(): RollcallError {
  return new RollcallError(
    'INVALID_REQUEST',
    'a message without a value deletes an identity and needs the key <environment key>:<identifier>',
    { metadata: { field: 'key' } },
  );
}
