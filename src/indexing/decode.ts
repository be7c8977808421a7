import { fromBinary, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { configureTextEncoding } from '@bufbuild/protobuf/wire';
import type { Change } from '../core/changes.js';
import { checkIdentifier } from '../core/check-identifier.js';
import { checkTrait, DEFAULT_TRAIT_LIMITS } from '../core/check-trait.js';
import { RollcallError } from '../core/errors.js';
import { formatTrait, isList } from '../core/trait-text.js';
import type { TraitValue } from '../core/values.js';
import { type IdentityChange, IdentityChangeSchema } from '../gen/rollcall/v1/identity_change_pb.js';
import type { TraitValue as TraitMessage } from '../gen/rollcall/v1/trait_value_pb.js';

/** A change with the key of its environment. */
export interface KeyedChange {
  readonly environmentKey: string;
  readonly change: Change;
}

/** Characters (Unicode code points) of an environment's key, at least 1. */
const MAX_ENVIRONMENT_KEY_LENGTH = 255;

/** Of the generated decoder's explanation, what an error repeats. */
const MAX_EXPLANATION_LENGTH = 300;

keepByteOrderMarks();

/** The change that the bytes of an `IdentityChange` hold. Throws INVALID_REQUEST, INVALID_IDENTIFIER or INVALID_TRAIT. */
export function decodeChangeBytes(bytes: Uint8Array): KeyedChange {
  return decodeKeyedChange(readMessage('protobuf', () => fromBinary(IdentityChangeSchema, bytes)));
}

/**
 * The change that an `IdentityChange` in proto3 JSON holds, with names in snake case or camel case; unknown members are passed over. Throws
 * INVALID_REQUEST, INVALID_IDENTIFIER or INVALID_TRAIT.
 */
export function decodeChangeJson(json: TraitValue): KeyedChange {
  const message = () => fromJson(IdentityChangeSchema, jsonOf(json), { ignoreUnknownFields: true });
  return decodeKeyedChange(readMessage('JSON', message));
}

function decodeKeyedChange(message: IdentityChange): KeyedChange {
  checkEnvironmentKey(message.environmentKey);
  return { environmentKey: message.environmentKey, change: decodeChange(message) };
}

function readMessage(form: string, read: () => IdentityChange): IdentityChange {
  try {
    return read();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.slice(0, MAX_EXPLANATION_LENGTH).toWellFormed() : '';
    throw new RollcallError('INVALID_REQUEST', `the message is no IdentityChange in ${form}: ${why}`, { cause });
  }
}

/** Integers that a JavaScript number cannot hold go as texts, which proto3 JSON reads as integers too. */
function jsonOf(value: TraitValue): JsonValue {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return value.map(jsonOf);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, jsonOf(inner)]));
}

/** By default the generated decoder drops a U+FEFF at the start of a text: another identifier than the one that was sent. */
function keepByteOrderMarks(): void {
  const encoder = new TextEncoder();
  const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
  const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
  configureTextEncoding({
    encodeUtf8: (text) => encoder.encode(text),
    decodeUtf8: (bytes, isStrict) => (isStrict === true ? strict : lenient).decode(bytes),
    checkUtf8: (text) => text.isWellFormed(),
  });
}

/** A change event as the applier takes it. Throws INVALID_REQUEST, INVALID_IDENTIFIER or INVALID_TRAIT. */
export function decodeChange(message: IdentityChange): Change {
  const { identifier, identityId, change } = message;
  checkIdentifier(identifier);
  const id = identityId === undefined ? {} : { identityId: readId(identityId) };
  switch (change.case) {
    case 'upsert':
      return { kind: 'upsert', identifier, ...id, traits: decodeTraits(change.value.traits) };
    case 'setTraits':
      return { kind: 'set_traits', identifier, ...id, traits: decodeTraits(change.value.traits) };
    case 'delete':
      return { kind: 'delete', identifier, ...id, traits: new Map() };
    case undefined:
      throw new RollcallError('INVALID_REQUEST', 'a change is one of upsert, set_traits and delete', {
        metadata: { field: 'change' },
      });
  }
}

/** Traits as their JSON texts. Throws INVALID_TRAIT. */
export function decodeTraits(messages: Readonly<Record<string, TraitMessage>>): Map<string, string> {
  const traits = new Map<string, string>();
  if (hasPrototypeKey(messages)) throw new RollcallError('INVALID_TRAIT', "a trait's key cannot be __proto__");
  for (const [key, message] of Object.entries(messages)) {
    const value = decodeTrait(message);
    checkTrait(key, value, DEFAULT_TRAIT_LIMITS);
    traits.set(key, formatTrait(value));
  }
  return traits;
}

/** A map's key `__proto__` does not become a member of the generated decoder's object but its prototype. */
function hasPrototypeKey(messages: Readonly<Record<string, unknown>>): boolean {
  const prototype: unknown = Object.getPrototypeOf(messages);
  return prototype !== Object.prototype && prototype !== null;
}

/** A trait's value as a message brings it, not yet checked. Throws INVALID_TRAIT for a big integer that is none. */
export function decodeTrait({ kind }: TraitMessage): TraitValue {
  switch (kind.case) {
    case 'stringValue':
    case 'boolValue':
    case 'floatValue':
    case 'intValue':
      return kind.value;
    case 'bigIntValue':
      return readBigInt(kind.value);
    case 'listValue':
      return kind.value.values.map(decodeTrait);
    case 'mapValue':
      if (hasPrototypeKey(kind.value.values))
        throw new RollcallError('INVALID_TRAIT', "an object's key cannot be __proto__");
      return Object.fromEntries(Object.entries(kind.value.values).map(([key, value]) => [key, decodeTrait(value)]));
    case 'nullValue':
    case undefined:
      return null;
  }
}

function readBigInt(text: string): bigint {
  if (text.length <= MAX_BIG_INT_LENGTH && /^-?[0-9]+$/.test(text)) return BigInt(text);
  throw new RollcallError('INVALID_TRAIT', `a big integer is written in at most ${MAX_BIG_INT_LENGTH} decimal digits`);
}

const MAX_BIG_INT_LENGTH = 4300;

/** Throws INVALID_REQUEST for a key that no environment can have. */
export function checkEnvironmentKey(key: string): void {
  const isTooLong = key.length > MAX_ENVIRONMENT_KEY_LENGTH && [...key].length > MAX_ENVIRONMENT_KEY_LENGTH;
  if (key !== '' && !isTooLong && !key.includes('\0') && key.isWellFormed()) return;
  throw new RollcallError(
    'INVALID_REQUEST',
    `an environment's key has 1 to ${MAX_ENVIRONMENT_KEY_LENGTH} characters, none of them NUL`,
    { metadata: { field: 'environment_key' } },
  );
}

function readId(id: bigint): number {
  if (id >= 0n && id <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(id);
  throw new RollcallError('INVALID_REQUEST', 'an identity id is between 0 and 2^53 - 1', {
    metadata: { field: 'identity_id' },
  });
}
