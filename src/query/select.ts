import type { OrdinalSet } from '../core/bitmap.js';
import { compose } from '../core/compose.js';
import { RollcallError } from '../core/errors.js';
import { UNIVERSE_ATOM_ID } from '../core/flips.js';
import type { SegmentDefinition } from '../core/segments.js';
import type { Database } from '../storage/database.js';
import { oldestLogged } from '../storage/log.js';
import { UNIVERSE_KEY } from './composed-sets.js';
import { expired, readBack, takeBack } from './earlier-bitmaps.js';
import type { EnvironmentIndex, Selection, ServedDefinition } from './environment-index.js';
import type { ReaderCatalog, ServedSegment } from './reader-catalog.js';

/** How new an answer has to be. */
export type Freshness =
  | { readonly level: 'minimize_latency' }
  | { readonly level: 'at_least'; readonly revision: number }
  | { readonly level: 'exact'; readonly revision: number }
  | { readonly level: 'latest' };

/** What is asked about: a stored segment, or a draft. `key` is what PERCENTAGE_SPLIT hashes. */
export type Target =
  | { readonly kind: 'segment'; readonly key: string }
  | { readonly kind: 'draft'; readonly key: string; readonly definition: SegmentDefinition };

/** Loads of one query before it gives up: each load may push out what the one before brought. */
const MAX_LOADS = 4;

/** Waits until memory is as new as asked. Throws REVISION_NOT_REACHED, or what reading the database throws. */
export async function reachFreshness(index: EnvironmentIndex, freshness: Freshness): Promise<void> {
  if (!index.isLoaded || freshness.level === 'latest') await index.advance();
  if (freshness.level !== 'at_least' && freshness.level !== 'exact') return;
  if (index.revision < freshness.revision) await index.advance();
  if (index.revision >= freshness.revision) return;
  throw new RollcallError(
    'REVISION_NOT_REACHED',
    `revision ${freshness.revision} does not exist yet: the newest is ${index.revision}`,
    {
      metadata: { revision: String(freshness.revision), reached: String(index.revision), retryAfterMs: '200' },
    },
  );
}

/** Throws CURSOR_EXPIRED where an exact revision was asked for that memory is not at. */
export function expectRevision(index: EnvironmentIndex, freshness: Freshness): void {
  if (freshness.level === 'exact' && freshness.revision !== index.revision) throw expired(freshness.revision);
}

/** What `use` makes of a target, called with its members in memory: as it awaits nothing, it sees one revision (I5). */
async function serve<R>(index: EnvironmentIndex, target: Target, use: (served: ServedSegment) => R): Promise<R> {
  const served = serveTarget(index.catalog, target);
  if (index.isComposed(served)) {
    index.noteUsed(served);
    return use(served);
  }
  return serveAll(
    index,
    (catalog) => serveTarget(catalog, target),
    (loaded) => [loaded],
    use,
  );
}

/** What `use` makes of what is chosen, called with the universe and all atoms of its segments in memory: as it awaits nothing, it sees one revision (I5). */
export async function serveAll<C, R>(
  index: EnvironmentIndex,
  choose: (catalog: ReaderCatalog) => C,
  segmentsOf: (chosen: C) => readonly ServedSegment[],
  use: (chosen: C) => R,
): Promise<R> {
  for (let loads = 0; loads <= MAX_LOADS; loads++) {
    const chosen = choose(index.catalog);
    const segments = segmentsOf(chosen);
    const missing = new Set(segments.flatMap((segment) => index.missing(segment)));
    if (index.identities === undefined) missing.add(UNIVERSE_ATOM_ID);
    if (missing.size === 0) {
      for (const segment of segments) index.noteUsed(segment);
      return use(chosen);
    }
    await index.load([...missing]);
  }
  throw new RollcallError(
    'INDEX_MEMORY_EXCEEDED',
    'the bitmaps of this query do not fit into the chunk cache together',
  );
}

export function serveTarget(catalog: ReaderCatalog, target: Target): ServedSegment {
  return target.kind === 'segment' ? catalog.serve(target.key) : catalog.serveDraft(target.key, target.definition);
}

/** The members of a target at the freshness asked for, not to change any more. Throws CURSOR_EXPIRED for an exact revision that is out of reach. */
export async function select(
  database: Database,
  index: EnvironmentIndex,
  target: Target,
  freshness: Freshness,
): Promise<Selection> {
  await reachFreshness(index, freshness);
  if (freshness.level !== 'exact') return serve(index, target, (served) => selectNow(index, served));
  const { revision } = freshness;
  const found = await serve(index, target, (served) =>
    index.revision === revision
      ? { now: selectNow(index, served) }
      : { kept: index.keptSelection(served.predicate.key, revision) },
  );
  if (found.now !== undefined) return found.now;
  if (found.kept !== undefined && (await isLogged(database, index, revision))) return found.kept;
  const earlier = await selectEarlier(database, index, target, revision);
  index.keepSelection(earlier);
  return earlier;
}

/** Whether every revision after this one is logged: the tombstones of members that were deleted since are as old as the log. */
async function isLogged({ sql }: Database, { environment }: EnvironmentIndex, revision: number): Promise<boolean> {
  return ((await oldestLogged(sql, environment.id)) ?? Infinity) <= revision + 1;
}

/** A count with what it was counted on. */
export interface Count {
  readonly served: ServedDefinition;
  readonly count: number;
  readonly revision: number;
  readonly asOf: Date;
}

/** How many members a target has: as `select`, but nothing is held. */
export async function countMembers(
  database: Database,
  index: EnvironmentIndex,
  target: Target,
  freshness: Freshness,
): Promise<Count> {
  if (freshness.level === 'exact') {
    const { served, set, revision, asOf } = await select(database, index, target, freshness);
    return { served, count: set.size, revision, asOf };
  }
  await reachFreshness(index, freshness);
  return serve(index, target, (served) => ({
    served,
    count: index.members(served).size,
    revision: index.revision,
    asOf: index.asOf,
  }));
}

/**
 * How many members a stored segment has as of what is in memory, where that is all in memory. Otherwise undefined: `countMembers` loads what is missing,
 * or says why there is no answer.
 */
export function countAtOnce(index: EnvironmentIndex, segmentKey: string): Count | undefined {
  const served = servedAtOnce(index, segmentKey);
  if (served === undefined || !(index.isComposed(served) || index.missing(served).length === 0)) return undefined;
  index.noteUsed(served);
  return { served, count: index.members(served).size, revision: index.revision, asOf: index.asOf };
}

function servedAtOnce(index: EnvironmentIndex, segmentKey: string): ServedSegment | undefined {
  if (!index.isLoaded) return undefined;
  try {
    return index.catalog.serve(segmentKey);
  } catch (error) {
    if (error instanceof RollcallError) return undefined;
    throw error;
  }
}

function selectNow(index: EnvironmentIndex, served: ServedSegment): Selection {
  const { revision, committedAt, asOf } = index;
  const selection = { served: definitionOf(served), revision, committedAt, asOf, set: index.holdMembers(served) };
  index.keepSelection(selection);
  return selection;
}

function definitionOf({ key, etag, isPending, predicate }: ServedSegment): ServedDefinition {
  return { key, etag, isPending, predicate: { key: predicate.key } };
}

/**
 * The members at an earlier revision: the log since then taken back from copies of the bitmaps. Every logged flip is a real one, so taking them back
 * in reverse gives what was there.
 */
async function selectEarlier(
  database: Database,
  index: EnvironmentIndex,
  target: Target,
  revision: number,
): Promise<Selection> {
  const { served, from, asOf, ids, copies } = await serveAll(
    index,
    (catalog) => serveTarget(catalog, target),
    (segment) => [segment],
    (segment) => copyNow(index, segment, revision),
  );
  const earlier = await readBack(database, index.environment.id, ids, from, revision);
  const bitmapOf = (key: string): OrdinalSet => takeBack(earlier, key, copies.get(key) ?? notCopied());
  const set = compose(served.predicate, { universe: bitmapOf(UNIVERSE_KEY), atom: bitmapOf });
  const { committedAt } = earlier;
  return {
    served: definitionOf(served),
    revision,
    committedAt,
    asOf: committedAt < asOf ? committedAt : asOf,
    set,
  };
}

/** Copies of what a segment is composed from, at the revision `from`. Throws CURSOR_EXPIRED where one of its atoms was registered after `revision`. */
function copyNow(index: EnvironmentIndex, served: ServedSegment, revision: number) {
  const keys = [UNIVERSE_KEY, ...served.atoms.keys()];
  if (keys.some((key) => revision < index.registeredRevisionOf(key))) throw expired(revision);
  return {
    served,
    from: index.revision,
    asOf: index.asOf,
    ids: new Map(keys.map((key) => [index.atomIdOf(key), key])),
    copies: new Map(keys.map((key) => [key, index.cloneAtom(key)])),
  };
}

function notCopied(): never {
  throw new RollcallError('INTERNAL', 'an atom was not copied');
}
