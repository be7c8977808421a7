import type { AtomDefinition } from '../core/atoms.js';
import { AtomIndex } from '../core/atom-index/atom-index.js';
import { RollcallError } from '../core/errors.js';
import { holds, type Predicate } from '../core/predicates.js';
import type { IdentityView } from '../core/properties/properties.js';
import type { Database } from '../storage/database.js';
import { findIdentity } from '../storage/identities.js';
import { readOperandList } from '../storage/operand-lists.js';
import type { EnvironmentIndex } from './environment-index.js';

/** Which identity is asked about: one that is stored, or one whose traits (JSON texts) the caller brings. */
export type IdentityQuery =
  | { readonly kind: 'identifier'; readonly identifier: string }
  | { readonly kind: 'id'; readonly id: number }
  | { readonly kind: 'inline'; readonly identifier: string; readonly traits: ReadonlyMap<string, string> };

/** Whether predicates hold for one identity. */
export type Truth = (predicate: Predicate) => boolean;

/** The ordinal of a stored identity. Throws IDENTITY_NOT_FOUND. */
export async function findOrdinal(
  database: Database,
  index: EnvironmentIndex,
  query: Exclude<IdentityQuery, { kind: 'inline' }>,
): Promise<number> {
  if (query.kind === 'id') return query.id;
  const identity = await findIdentity(database.sql, index.environment.id, query.identifier);
  if (identity === undefined) throw unknownIdentity({ identifier: query.identifier.slice(0, 100) });
  return identity.id;
}

export function unknownIdentity(metadata: Record<string, string>): RollcallError {
  return new RollcallError('IDENTITY_NOT_FOUND', 'the identity does not exist', { metadata });
}

/** The truth of predicates at the index's revision, from its bitmaps: good until the next `await`. Throws IDENTITY_NOT_FOUND where the ordinal is not live then. */
export function storedTruth(index: EnvironmentIndex, ordinal: number): Truth {
  if (!index.isLive(ordinal)) throw unknownIdentity({ id: String(ordinal) });
  return (predicate) => holds(predicate, (atomKey) => index.isTrue(atomKey, ordinal));
}

/** The truth of predicates over traits that the caller brings; only atoms that a predicate comes to are evaluated. */
export async function inlineTruth(
  database: Database,
  index: EnvironmentIndex,
  identity: Extract<IdentityQuery, { kind: 'inline' }>,
  atoms: Iterable<AtomDefinition>,
): Promise<Truth> {
  const { environment } = index;
  const lists = new Map<string, ReadonlySet<string>>();
  for (const { list } of atoms)
    if (list !== '' && !lists.has(list)) lists.set(list, await readOperandList(database.sql, list));
  const view: IdentityView = {
    id: 0,
    identifier: identity.identifier,
    key: environment.identityKeyMode === 'composite' ? `${environment.key}_${identity.identifier}` : '',
    traits: identity.traits,
  };
  const known = new Map<string, boolean>();
  const evaluate = (atomKey: string, atom: AtomDefinition): boolean => {
    let truth = known.get(atomKey);
    if (truth === undefined) {
      const one = new AtomIndex(environment);
      one.add(0, atom, lists.get(atom.list));
      known.set(atomKey, (truth = one.evaluate(0, view)));
    }
    return truth;
  };
  return (predicate) => holds(predicate, evaluate);
}
