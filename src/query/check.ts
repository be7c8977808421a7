import { RollcallError } from '../core/errors.js';
import type { Database } from '../storage/database.js';
import type { EnvironmentIndex } from './environment-index.js';
import { findOrdinal, type IdentityQuery, inlineTruth, storedTruth, type Truth } from './identity-truth.js';
import type { ReaderCatalog, ServedSegment } from './reader-catalog.js';
import { type Freshness, reachFreshness, serveAll } from './select.js';

/** Whether the identity is in one segment, or why that cannot be said. */
export type CheckResult =
  | { readonly segment: string; readonly served: ServedSegment; readonly isMember: boolean }
  | { readonly segment: string; readonly error: RollcallError };

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
  await reachFreshness(index, freshness);
  const errors = new Map<string, RollcallError>();
  const choose = (catalog: ReaderCatalog): (ServedSegment | undefined)[] => {
    errors.clear();
    return keysOf(catalog, segments).map((key) => tryServe(catalog, key, identity.kind, errors));
  };
  const { truth, served } = identity.kind === 'inline' ? await checkInline(database, index, identity, choose) : await checkStored(database, index, identity, choose);
  const bySegment = new Map(served.flatMap((segment) => (segment === undefined ? [] : [[segment.key, segment] as const])));
  const results = keysOf(index.catalog, segments).map((segment): CheckResult => {
    const found = bySegment.get(segment);
    if (found !== undefined) return { segment, served: found, isMember: truth(found.predicate) };
    return { segment, error: errors.get(segment) ?? new RollcallError('SEGMENT_NOT_FOUND', `the segment '${segment}' does not exist`) };
  });
  return { results, revision: index.revision, asOf: index.asOf };
}

interface Prepared {
  readonly truth: Truth;
  readonly served: readonly (ServedSegment | undefined)[];
}

async function checkStored(
  database: Database,
  index: EnvironmentIndex,
  identity: Exclude<IdentityQuery, { kind: 'inline' }>,
  choose: (catalog: ReaderCatalog) => (ServedSegment | undefined)[],
): Promise<Prepared> {
  const ordinal = await findOrdinal(database, index, identity);
  await index.loadUniverse();
  let served = await serveAll(index, choose);
  if (identity.kind === 'identifier' && !index.isLive(ordinal)) {
    await index.advance();
    served = await serveAll(index, choose);
  }
  return { truth: storedTruth(index, ordinal), served };
}

/** Inline traits need no bitmap: the newest definitions are evaluated, whether their atoms are built or not. */
async function checkInline(
  database: Database,
  index: EnvironmentIndex,
  identity: Extract<IdentityQuery, { kind: 'inline' }>,
  choose: (catalog: ReaderCatalog) => (ServedSegment | undefined)[],
): Promise<Prepared> {
  const served = choose(index.catalog);
  const atoms = served.flatMap((segment) => (segment === undefined ? [] : [...segment.atoms.values()]));
  return { truth: await inlineTruth(database, index, identity, atoms), served };
}

function keysOf(catalog: ReaderCatalog, segments: readonly string[]): readonly string[] {
  return segments.length > 0 ? [...new Set(segments)] : catalog.enabledSegments();
}

function tryServe(catalog: ReaderCatalog, key: string, kind: IdentityQuery['kind'], errors: Map<string, RollcallError>): ServedSegment | undefined {
  try {
    return kind === 'inline' ? catalog.newest(key) : catalog.serve(key);
  } catch (error) {
    if (!(error instanceof RollcallError)) throw error;
    errors.set(key, error);
    return undefined;
  }
}
