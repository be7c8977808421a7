import type { AtomDefinition } from '../core/atoms.js';
import { compileMatcher } from '../core/conditions/matchers.js';
import { RollcallError } from '../core/errors.js';
import { holds, type Predicate } from '../core/predicates.js';
import { type IdentityView, type Property, propertyOf, resolveProperty } from '../core/properties/properties.js';
import type { Database } from '../storage/database.js';
import { findIdentity } from '../storage/identities.js';
import type { EnvironmentIndex } from './environment-index.js';

/** Which identity is asked about: one that is stored, or one whose traits (JSON texts) the caller brings. */
export type IdentityQuery =
  | { readonly kind: 'identifier'; readonly identifier: string }
  | { readonly kind: 'id'; readonly id: number }
  | { readonly kind: 'inline'; readonly identifier: string; readonly traits: ReadonlyMap<string, string> };

/** Whether predicates hold for one identity. */
export type Truth = (predicate: Predicate) => boolean;

/**
 * What `answer` makes of the ordinal of a stored identity. Where that is newer than memory, memory is brought up to it and `answer` called again.
 * Throws IDENTITY_NOT_FOUND.
 */
export async function withStoredIdentity<Answer>(
  database: Database,
  index: EnvironmentIndex,
  query: Exclude<IdentityQuery, { kind: 'inline' }>,
  answer: (ordinal: number) => Promise<Answer>,
): Promise<Answer> {
  if (query.kind === 'id') return answer(query.id);
  const identity = await findIdentity(database.sql, index.environment.id, query.identifier);
  if (identity === undefined) throw unknownIdentity({ identifier: query.identifier.slice(0, 100) });
  try {
    return await answer(identity.id);
  } catch (error) {
    if (!(error instanceof RollcallError) || error.reason !== 'IDENTITY_NOT_FOUND') throw error;
  }
  await index.advance();
  return answer(identity.id);
}

function unknownIdentity(metadata: Record<string, string>): RollcallError {
  return new RollcallError('IDENTITY_NOT_FOUND', 'the identity does not exist', { metadata });
}

/** The truth of predicates at the index's revision, from its bitmaps: good until the next `await`. Throws IDENTITY_NOT_FOUND where the ordinal is not live then. */
export function storedTruth(index: EnvironmentIndex, ordinal: number): Truth {
  if (!index.isLive(ordinal)) throw unknownIdentity({ id: String(ordinal) });
  return (predicate) => holds(predicate, (atomKey) => index.isTrue(atomKey, ordinal));
}

/**
 * The truth of predicates over traits that the caller brings; only atoms that a predicate comes to are evaluated. `atoms` are those whose stored lists are
 * read. The truth throws INVALID_REQUEST where it depends on what the caller did not bring, CONFLICT where an atom's list was not read.
 */
export async function inlineTruth(
  { environment, operandLists }: EnvironmentIndex,
  { identifier, traits }: Extract<IdentityQuery, { kind: 'inline' }>,
  atoms: Iterable<AtomDefinition>,
): Promise<Truth> {
  const lists = new Map<string, ReadonlySet<string>>();
  for (const { list } of atoms) if (list !== '' && !lists.has(list)) lists.set(list, await operandLists.read(list));
  const hasKey = environment.identityKeyMode === 'composite';
  const view: IdentityView = { id: 0, identifier, key: hasKey ? `${environment.key}_${identifier}` : '', traits };
  const evaluate = (atom: AtomDefinition): boolean => {
    const property = propertyOf(atom, environment);
    if (!hasKey && maySeeKey(property, traits)) throw unknownKey(atom.property);
    const list = lists.get(atom.list);
    if (atom.list !== '' && list === undefined) throw changedMeanwhile();
    const value = resolveProperty(property, view);
    const { operator, operand, segmentKey } = atom;
    return value !== undefined && compileMatcher(operator, operand, { segmentKey, list })(value);
  };
  const known = new Map<string, boolean>();
  const truthOf = (atomKey: string, atom: AtomDefinition): boolean => {
    const truth = known.get(atomKey) ?? evaluate(atom);
    known.set(atomKey, truth);
    return truth;
  };
  return (predicate) => holds(predicate, truthOf);
}

/** Whether a property may depend on the identity's key. A trait of the path's very name wins over the path. */
function maySeeKey(property: Property, traits: ReadonlyMap<string, string>): boolean {
  switch (property.kind) {
    case 'identity-key-text':
      return true;
    case 'identity-key':
    case 'query':
      return !traits.has(property.literal);
    case 'identifier':
    case 'trait':
    case 'trait-path':
    case 'constant':
      return false;
  }
}

function unknownKey(property: string): RollcallError {
  return new RollcallError(
    'INVALID_REQUEST',
    "a condition depends on the identity's key, which is its id in this environment: name a stored identity instead",
    { metadata: { field: 'identity', property } },
  );
}

function changedMeanwhile(): RollcallError {
  return new RollcallError('CONFLICT', 'the segment was changed while it was being evaluated', {
    metadata: { retryAfterMs: '0' },
  });
}
