import { type Change, MAX_IDENTIFIER_LENGTH } from '../../core/changes.js';
import { DEFAULT_TRAIT_LIMITS } from '../../core/check-trait.js';
import { formatTrait } from '../../core/trait-text.js';
import { decodeChangeBytes, type KeyedChange } from '../decode.js';
import {
  type Cursor,
  enter,
  NotPlain,
  NOT_PLAIN,
  readByte,
  readLength,
  readVarint,
  textOf,
} from './plain-wire-form.js';

/** Tags (field number and wire type) of the messages that a change is made of; each is one byte. */
const TAG = {
  environmentKey: 0x0a,
  identifier: 0x12,
  identityId: 0x18,
  occurredAt: 0x22,
  upsert: 0x2a,
  setTraits: 0x32,
  delete: 0x3a,
} as const;
const TIMESTAMP = { seconds: 0x08, nanos: 0x10 } as const;
const MAP = { entry: 0x0a, key: 0x0a, value: 0x12 } as const;
const TRAIT = { text: 0x0a, int: 0x10, float: 0x21, bool: 0x28, null: 0x30 } as const;

const KINDS = { [TAG.upsert]: 'upsert', [TAG.setTraits]: 'set_traits', [TAG.delete]: 'delete' } as const;
/** A JSON text takes at most six bytes for each byte of a text. */
const MAX_PLAIN_TEXT_BYTES = Math.floor(DEFAULT_TRAIT_LIMITS.maxValueBytes / 6) - 2;
/** Beyond this the text of a float is not its digits and a point. */
const MAX_PLAIN_FLOAT = 1e15;

/**
 * The change that the bytes of an `IdentityChange` hold, as `decodeChangeBytes` gives it. By hand where the message is in the plain form in which encoders
 * write it (every field once, scalar traits, nothing unknown), straight to the traits' JSON texts: the generated decoder takes several times as long. All
 * else, and every refusal, is the generated decoder's.
 */
export function decodeProtobuf(bytes: Buffer): KeyedChange {
  return decodePlainProtobuf(bytes) ?? decodeChangeBytes(bytes);
}

/** The same where the message is in plain form and valid; else undefined. */
export function decodePlainProtobuf(bytes: Buffer): KeyedChange | undefined {
  try {
    return readChange({ bytes, at: 0, end: bytes.length });
  } catch (error) {
    if (error instanceof NotPlain) return undefined;
    throw error;
  }
}

function readChange(cursor: Cursor): KeyedChange {
  let environmentKey: string | undefined;
  let identifier: string | undefined;
  let identityId: number | undefined;
  let hasTime = false;
  let kind: Change['kind'] | undefined;
  let traits: Map<string, string> | undefined;
  while (cursor.at < cursor.end) {
    const tag = readByte(cursor);
    switch (tag) {
      case TAG.environmentKey:
        environmentKey = readName(cursor, environmentKey, 255);
        break;
      case TAG.identifier:
        identifier = readName(cursor, identifier, MAX_IDENTIFIER_LENGTH);
        break;
      case TAG.identityId:
        if (identityId !== undefined) throw NOT_PLAIN;
        identityId = readOrdinal(cursor);
        break;
      case TAG.occurredAt:
        if (hasTime) throw NOT_PLAIN;
        hasTime = true;
        skipTimestamp(cursor);
        break;
      case TAG.upsert:
      case TAG.setTraits:
      case TAG.delete:
        if (kind !== undefined) throw NOT_PLAIN;
        kind = KINDS[tag];
        traits = readTraits(cursor, tag === TAG.delete);
        break;
      default:
        throw NOT_PLAIN;
    }
  }
  if (environmentKey === undefined || identifier === undefined || kind === undefined || traits === undefined)
    throw NOT_PLAIN;
  const change = identityId === undefined ? { kind, identifier, traits } : { kind, identifier, identityId, traits };
  return { environmentKey, change };
}

/** An environment's key or an identifier, for which `maxBytes` is short enough whatever its characters. */
function readName(cursor: Cursor, earlier: string | undefined, maxBytes: number): string {
  const length = readLength(cursor);
  if (earlier !== undefined || length === 0 || length > maxBytes) throw NOT_PLAIN;
  const start = cursor.at;
  cursor.at += length;
  return textOf(cursor.bytes, start, cursor.at);
}

function readOrdinal(cursor: Cursor): number {
  const { low, high } = readVarint(cursor);
  if (high > 0x1fffff) throw NOT_PLAIN;
  return high * 2 ** 32 + low;
}

function skipTimestamp(cursor: Cursor): void {
  const outerEnd = enter(cursor);
  while (cursor.at < cursor.end) {
    const tag = readByte(cursor);
    if (tag !== TIMESTAMP.seconds && tag !== TIMESTAMP.nanos) throw NOT_PLAIN;
    readVarint(cursor);
  }
  cursor.end = outerEnd;
}

function readTraits(cursor: Cursor, isEmpty: boolean): Map<string, string> {
  const traits = new Map<string, string>();
  const outerEnd = enter(cursor);
  if (isEmpty && cursor.at < cursor.end) throw NOT_PLAIN;
  while (cursor.at < cursor.end) {
    if (readByte(cursor) !== MAP.entry) throw NOT_PLAIN;
    const traitsEnd = enter(cursor);
    if (readByte(cursor) !== MAP.key) throw NOT_PLAIN;
    const key = readKey(cursor);
    if (readByte(cursor) !== MAP.value) throw NOT_PLAIN;
    traits.set(key, readTrait(cursor));
    if (cursor.at !== cursor.end) throw NOT_PLAIN;
    cursor.end = traitsEnd;
  }
  cursor.end = outerEnd;
  return traits;
}

function readKey(cursor: Cursor): string {
  const length = readLength(cursor);
  if (length > DEFAULT_TRAIT_LIMITS.maxKeyBytes) throw NOT_PLAIN;
  const start = cursor.at;
  cursor.at += length;
  const key = textOf(cursor.bytes, start, cursor.at);
  if (key === '__proto__') throw NOT_PLAIN;
  return key;
}

/** The JSON text of a scalar. */
function readTrait(cursor: Cursor): string {
  const outerEnd = enter(cursor);
  const text = cursor.at === cursor.end ? 'null' : readScalar(cursor);
  if (cursor.at !== cursor.end) throw NOT_PLAIN;
  cursor.end = outerEnd;
  return text;
}

function readScalar(cursor: Cursor): string {
  switch (readByte(cursor)) {
    case TRAIT.text:
      return readText(cursor);
    case TRAIT.int:
      return readInteger(cursor);
    case TRAIT.float:
      return readFloat(cursor);
    case TRAIT.bool: {
      const { low, high } = readVarint(cursor);
      return low === 0 && high === 0 ? 'false' : 'true';
    }
    case TRAIT.null:
      readVarint(cursor);
      return 'null';
    default:
      throw NOT_PLAIN;
  }
}

function readText(cursor: Cursor): string {
  const length = readLength(cursor);
  if (length > MAX_PLAIN_TEXT_BYTES) throw NOT_PLAIN;
  const { bytes, at } = cursor;
  cursor.at = at + length;
  for (let i = at; i < at + length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte < 0x20 || byte > 0x7e || byte === 0x22 || byte === 0x5c)
      return JSON.stringify(textOf(bytes, at, cursor.at));
  }
  return `"${bytes.toString('latin1', at, cursor.at)}"`;
}

function readInteger(cursor: Cursor): string {
  const { low, high } = readVarint(cursor);
  if (high <= 0x1fffff) return String(high * 2 ** 32 + low);
  return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low)).toString();
}

function readFloat(cursor: Cursor): string {
  const { bytes, at } = cursor;
  if (at + 8 > cursor.end) throw NOT_PLAIN;
  cursor.at += 8;
  const value = bytes.readDoubleLE(at);
  if (Number.isInteger(value) && Math.abs(value) < MAX_PLAIN_FLOAT) return `${value}.0`;
  if (!Number.isFinite(value)) throw NOT_PLAIN;
  return formatTrait(value);
}
