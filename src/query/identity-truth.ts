import type { AtomDefinition } from '../core/atoms.js';
import { RollcallError } from '../core/errors.js';
import { holds, type Predicate } from '../core/predicates.js';
import type { InlineIdentity } from '../core/truth/column.js';
import { TruthPlan } from '../core/truth/truth-plan.js';
import type { Database } from '../storage/database.js';
import type { Environment } from '../storage/environments.js';
import { findIdentity } from '../storage/identities.js';
import type { EnvironmentIndex } from './environment-index.js';
import type { ServedSegment } from './reader-catalog.js';

/** Which identity is asked about: one that is stored, or one whose traits (JSON texts) the caller brings. */
export type IdentityQuery =
  | { readonly kind: 'identifier'; readonly identifier: string }
  | { readonly kind: 'id'; readonly id: number }
  | { readonly kind: 'inline'; readonly identifier: string; readonly traits: ReadonlyMap<string, string> };

export type InlineQuery = Extract<IdentityQuery, { kind: 'inline' }>;

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
 * The truth of a segment's predicates over traits that the caller brings; only atoms that a predicate comes to are evaluated. `atoms` are those whose stored lists are
 * read. The truth throws INVALID_REQUEST where it depends on what the caller did not bring, CONFLICT where an atom's list was not read.
 */
export async function inlineTruth(
  { environment, operandLists }: EnvironmentIndex,
  query: InlineQuery,
  atoms: Iterable<AtomDefinition>,
): Promise<(served: ServedSegment) => Truth> {
  const lists = new Map<string, ReadonlySet<string>>();
  for (const { list } of atoms) if (list !== '' && !lists.has(list)) lists.set(list, await operandLists.read(list));
  return ({ settings }) => {
    const plan = new TruthPlan(environment);
    plan.moveTo(inlineIdentity({ ...environment, ...settings }, query));
    const isTrue = (key: string, atom: AtomDefinition): boolean =>
      plan.isTrue(plan.compile({ kind: 'atom', key, atom }, lists));
    return (predicate) => holds(predicate, isTrue);
  };
}

/** What the caller brings, with the key that the identity has or would have in the environment. */
export function inlineIdentity(environment: Environment, { identifier, traits }: InlineQuery): InlineIdentity {
  const key = environment.identityKeyMode === 'composite' ? `${environment.key}_${identifier}` : undefined;
  return { identifier, key, traits };
}
