import { type Change, MAX_IDENTIFIER_LENGTH } from '../core/changes.js';
import { checkTrait, DEFAULT_TRAIT_LIMITS } from '../core/check-trait.js';
import { RollcallError } from '../core/errors.js';
import { formatTrait } from '../core/trait-text.js';
import type { TraitValue } from '../core/values.js';
import type { IdentityChange } from '../gen/rollcall/v1/identity_change_pb.js';
import type { TraitValue as TraitMessage } from '../gen/rollcall/v1/trait_value_pb.js';

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
  for (const [key, message] of Object.entries(messages)) {
    const value = decodeTrait(message);
    checkTrait(key, value, DEFAULT_TRAIT_LIMITS);
    traits.set(key, formatTrait(value));
  }
  return traits;
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
      return Object.fromEntries(Object.entries(kind.value.values).map(([key, value]) => [key, decodeTrait(value)]));
    case 'nullValue':
    case undefined:
      return null;
  }
}

function readBigInt(text: string): bigint {
  if (/^-?[0-9]{1,4300}$/.test(text)) return BigInt(text);
  throw new RollcallError('INVALID_TRAIT', 'a big integer is written as decimal digits');
}

/** Throws INVALID_IDENTIFIER for one that is empty, too long or holds what Postgres cannot store. */
export function checkIdentifier(identifier: string): void {
  const problem = identifierProblem(identifier);
  if (problem !== undefined)
    throw new RollcallError('INVALID_IDENTIFIER', `an identifier ${problem}`, { metadata: { field: 'identifier' } });
}

function identifierProblem(identifier: string): string | undefined {
  if (identifier === '') return 'has at least 1 character';
  if (identifier.length > MAX_IDENTIFIER_LENGTH && [...identifier].length > MAX_IDENTIFIER_LENGTH)
    return `has at most ${MAX_IDENTIFIER_LENGTH} characters`;
  if (identifier.includes('\0')) return 'holds no NUL character';
  return identifier.isWellFormed() ? undefined : 'holds no lone surrogate';
}

function readId(id: bigint): number {
  if (id >= 0n && id <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(id);
  throw new RollcallError('INVALID_REQUEST', 'an identity id is between 0 and 2^53 - 1', {
    metadata: { field: 'identity_id' },
  });
}
