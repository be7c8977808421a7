import { RollcallError } from '../core/errors.js';
import type { Database } from '../storage/database.js';
import type { EnvironmentIndex } from './environment-index.js';
import {
  findOrdinal,
  type IdentityQuery,
  inlineTruth,
  storedTruth,
  type Truth,
  unknownIdentity,
} from './identity-truth.js';
import type { ReaderCatalog, ServedSegment } from './reader-catalog.js';
import { expired, type Freshness, isElsewhere, reachFreshness, serveAll } from './select.js';

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
  const choose = (catalog: ReaderCatalog): readonly Chosen[] =>
    keysOf(catalog, segments).map((key) => choice(catalog, key, identity.kind));
  if (identity.kind === 'inline') return checkInline(database, index, identity, choose(index.catalog));
  const ordinal = await findOrdinal(database, index, identity);
  const check =
    (isLast: boolean) =>
    (chosen: readonly Chosen[]): Check | undefined => {
      if (freshness.level === 'exact' && isElsewhere(index, freshness)) throw expired(freshness.revision);
      return isLast || index.isLive(ordinal) ? report(index, storedTruth(index, ordinal), chosen) : undefined;
    };
  const known = await serveAll(index, choose, servedOf, check(identity.kind === 'id'));
  if (known !== undefined) return known;
  await index.advance();
  const later = await serveAll(index, choose, servedOf, check(true));
  if (later === undefined) throw unknownIdentity({});
  return later;
}

/** A segment to answer for, or why it cannot be answered. */
type Chosen =
  { readonly key: string; readonly served: ServedSegment } | { readonly key: string; readonly error: RollcallError };

function servedOf(chosen: readonly Chosen[]): ServedSegment[] {
  return chosen.flatMap((one) => ('served' in one ? [one.served] : []));
}

function report(index: EnvironmentIndex, truth: Truth, chosen: readonly Chosen[]): Check {
  const results = chosen.map((one): CheckResult =>
    'served' in one
      ? { segment: one.key, served: one.served, isMember: truth(one.served.predicate) }
      : { segment: one.key, error: one.error },
  );
  return { results, revision: index.revision, asOf: index.asOf };
}

/** Inline traits need no bitmap: the newest definitions are evaluated, whether their atoms are built or not. */
async function checkInline(
  database: Database,
  index: EnvironmentIndex,
  identity: Extract<IdentityQuery, { kind: 'inline' }>,
  chosen: readonly Chosen[],
): Promise<Check> {
  const atoms = servedOf(chosen).flatMap((segment) => [...segment.atoms.values()]);
  return report(index, await inlineTruth(database, index, identity, atoms), chosen);
}

function keysOf(catalog: ReaderCatalog, segments: readonly string[]): readonly string[] {
  return segments.length > 0 ? [...new Set(segments)] : catalog.enabledSegments();
}

function choice(catalog: ReaderCatalog, key: string, kind: IdentityQuery['kind']): Chosen {
  try {
    return { key, served: kind === 'inline' ? catalog.newest(key) : catalog.serve(key) };
  } catch (error) {
    if (error instanceof RollcallError) return { key, error };
    throw error;
  }
}
