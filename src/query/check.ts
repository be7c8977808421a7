import { RollcallError } from '../core/errors.js';
import { UNIVERSE_ATOM_ID } from '../core/flips.js';
import type { Database } from '../storage/database.js';
import { CheckPlan, type CheckResult, failedCheck } from './check-plan.js';
import type { EnvironmentIndex } from './environment-index.js';
import {
  type IdentityQuery,
  inlineIdentity,
  type InlineQuery,
  storedTruth,
  type Truth,
  withStoredIdentity,
} from './identity-truth.js';
import type { ReaderCatalog, ServedSegment } from './reader-catalog.js';
import { expectRevision, type Freshness, reachFreshness, serveAll } from './select.js';

/** Results of a check, all at one revision. */
export interface Check {
  readonly results: readonly CheckResult[];
  readonly revision: number;
  readonly asOf: Date;
}

/**
 * Whether an identity is in each of `segments`, or in each enabled one if there are none; only their atoms are looked at. A segment that cannot be
 * answered has its error in its place (I10). Throws IDENTITY_NOT_FOUND.
 */
export async function checkMembership(
  database: Database,
  index: EnvironmentIndex,
  identity: IdentityQuery,
  segments: readonly string[],
  freshness: Freshness,
): Promise<Check> {
  if (freshness.level !== 'minimize_latency' || !index.isLoaded) await reachFreshness(index, freshness);
  if (identity.kind === 'inline') return checkInline(index, identity, segments, freshness);
  const choose = (catalog: ReaderCatalog): readonly Chosen[] =>
    keysOf(catalog, segments).map((key) => choice(catalog, key));
  return withStoredIdentity(database, index, identity, (ordinal) => checkStored(index, ordinal, choose, freshness));
}

/** A segment to answer for, or why it cannot be answered. */
type Chosen =
  { readonly key: string; readonly served: ServedSegment } | { readonly key: string; readonly error: RollcallError };

function servedOf(chosen: readonly Chosen[]): ServedSegment[] {
  return chosen.flatMap((one) => ('served' in one ? [one.served] : []));
}

async function checkStored(
  index: EnvironmentIndex,
  ordinal: number,
  choose: (catalog: ReaderCatalog) => readonly Chosen[],
  freshness: Freshness,
): Promise<Check> {
  const reportNow = (chosen: readonly Chosen[]): Check => {
    expectRevision(index, freshness);
    return { ...stateOf(index), results: resultsOf(storedTruth(index, ordinal), chosen) };
  };
  try {
    return await serveAll(index, choose, servedOf, reportNow);
  } catch (error) {
    if (!isMemoryExceeded(error)) throw error;
    await loadWhatFits(index, choose);
    if (index.identities === undefined) throw error;
    return reportNow(choose(index.catalog).map((one) => (isAnswerable(index, one) ? one : { key: one.key, error })));
  }
}

/** Loads the atoms of one segment after the other, until one pushes out those of the first. */
async function loadWhatFits(
  index: EnvironmentIndex,
  choose: (catalog: ReaderCatalog) => readonly Chosen[],
): Promise<void> {
  const count = choose(index.catalog).length;
  let first: number | undefined;
  for (let place = 0; place < count; place++) {
    const chosen = choose(index.catalog);
    const one = chosen[place];
    if (one === undefined || !('served' in one)) continue;
    try {
      await index.load([UNIVERSE_ATOM_ID, ...index.missing(one.served)]);
      first ??= place;
    } catch (error) {
      if (!isMemoryExceeded(error)) throw error;
    }
    const earliest = first === undefined ? undefined : choose(index.catalog)[first];
    if (earliest !== undefined && !isAnswerable(index, earliest)) return;
  }
}

function isAnswerable(index: EnvironmentIndex, one: Chosen): boolean {
  return 'error' in one || index.missing(one.served).length === 0;
}

function isMemoryExceeded(error: unknown): error is RollcallError {
  return error instanceof RollcallError && error.reason === 'INDEX_MEMORY_EXCEEDED';
}

/** Inline traits need no bitmap: the newest definitions are evaluated, whether their atoms are built or not; at once where all are ready. */
function checkInline(
  index: EnvironmentIndex,
  query: InlineQuery,
  segments: readonly string[],
  freshness: Freshness,
): Check | Promise<Check> {
  expectRevision(index, freshness);
  const state = stateOf(index);
  const { catalog, checkPlans } = index;
  const plan = checkPlans.get(catalog) ?? new CheckPlan(catalog);
  const keys = segments.length > 0 ? [...new Set(segments)] : plan.enabledSegments;
  const checkNow = (): Check => ({ ...state, results: plan.check(keys, inlineIdentity(index.environment, query)) });
  if (plan.isReady(keys)) return checkNow();
  return plan.prepare(keys, index.operandLists).then(() => {
    checkPlans.keep(plan);
    return checkNow();
  });
}

function stateOf({ revision, asOf }: EnvironmentIndex): Pick<Check, 'revision' | 'asOf'> {
  return { revision, asOf };
}

function resultsOf(truth: Truth, chosen: readonly Chosen[]): CheckResult[] {
  return chosen.map((one): CheckResult => {
    if ('error' in one) return { segment: one.key, error: one.error };
    try {
      return { segment: one.key, served: one.served, isMember: truth(one.served.predicate) };
    } catch (error) {
      return failedCheck(one.key, error);
    }
  });
}

function keysOf(catalog: ReaderCatalog, segments: readonly string[]): readonly string[] {
  return segments.length > 0 ? [...new Set(segments)] : catalog.enabledSegments();
}

function choice(catalog: ReaderCatalog, key: string): Chosen {
  try {
    return { key, served: catalog.serve(key) };
  } catch (error) {
    if (error instanceof RollcallError) return { key, error };
    throw error;
  }
}
