import { setImmediate } from 'node:timers/promises';
import type { OrdinalSet } from '../core/bitmap.js';
import { type Database, runCancellable } from '../storage/database.js';
import { filterByIdentifier, readIdentities, type StoredIdentity } from '../storage/identities.js';
import { densePrefix, type MemberPage, readMemberPage } from '../storage/member-pages.js';
import { expired } from './earlier-bitmaps.js';
import type { EnvironmentIndex, Selection } from './environment-index.js';

/** Members of one page: their identifiers, or with their traits. */
export type Page =
  | MemberPage
  | { readonly kind: 'traits'; readonly ordinals: Float64Array; readonly identities: readonly StoredIdentity[] };

/** What to read of a set. `after` is the ordinal before the first. */
export interface PagesRequest {
  readonly set: OrdinalSet;
  /** That of the set: its members that were deleted since are found as long as their tombstones are kept. */
  readonly revision: number;
  readonly after: number;
  readonly limit: number;
  readonly includeTraits: boolean;
  readonly signal: AbortSignal;
}

/** Members of one query to Postgres; the first has few, so that a caller need not wait for them. */
const FIRST_PAGE_MEMBERS = 100;
const PAGE_MEMBERS = 10_000;
/** The last members are shared out to the pages ahead, unless they are not worth a query of their own. */
const MIN_SHARED_MEMBERS = 250;
/** With traits, pages are as large as the members before lead to expect of this many bytes. */
const PAGE_TRAIT_BYTES = 2 ** 20;
const FIRST_PAGE_WITH_TRAITS = 100;
const MAX_PAGE_WITH_TRAITS = 1_000;

/** Pages that are being fetched while the caller is busy with one: Postgres shall not wait for the caller. */
const PAGES_AHEAD = 2;

/** Pages of the members of a set in ordinal order. The next ones are fetched while the caller is busy with this one; never more (I12). Throws CURSOR_EXPIRED where a member is not to be found any more (I6). */
export async function* readPages(
  database: Database,
  environmentId: number,
  request: PagesRequest,
): AsyncGenerator<Page> {
  let size = request.includeTraits ? FIRST_PAGE_WITH_TRAITS : FIRST_PAGE_MEMBERS;
  let after = request.after;
  let left = request.limit;
  const ahead: Promise<Page>[] = [];
  let membersAhead = 0;
  // Nothing shall delay the first page: the next ones are asked for once it has left the process.
  let isFirst = true;
  const fetchAhead = (): void => {
    while (ahead.length < (isFirst ? 1 : PAGES_AHEAD)) {
      const share = Math.max(MIN_SHARED_MEMBERS, Math.ceil((left + membersAhead) / PAGES_AHEAD));
      const ordinals = nextOrdinals(request, after, Math.min(size, left, share));
      const last = ordinals.at(-1);
      if (last === undefined) return;
      after = last;
      left -= ordinals.length;
      membersAhead += ordinals.length;
      if (!request.includeTraits) size = PAGE_MEMBERS;
      const page = readPage(database, environmentId, ordinals, request);
      page.catch(() => undefined);
      ahead.push(page);
    }
  };
  for (;;) {
    fetchAhead();
    const page = await ahead.shift();
    if (page === undefined) return;
    membersAhead -= page.ordinals.length;
    if (page.kind === 'traits') size = pageSizeAfter(page.identities);
    if (!isFirst) fetchAhead();
    yield page;
    if (isFirst) await setImmediate();
    isFirst = false;
  }
}

function nextOrdinals({ set, includeTraits }: PagesRequest, after: number, size: number): Float64Array {
  const ordinals = set.page(after, size);
  return includeTraits ? ordinals : ordinals.subarray(0, densePrefix(ordinals));
}

function pageSizeAfter(identities: readonly StoredIdentity[]): number {
  const average = lengthOf(identities) / Math.max(1, identities.length);
  return Math.max(1, Math.min(MAX_PAGE_WITH_TRAITS, Math.floor(PAGE_TRAIT_BYTES / Math.max(1, average))));
}

function lengthOf(identities: readonly StoredIdentity[]): number {
  return identities.reduce((sum, { identifier, traits }) => sum + identifier.length + traits.length, 0);
}

async function readPage(
  database: Database,
  environmentId: number,
  ordinals: Float64Array,
  request: PagesRequest,
): Promise<Page> {
  const page = request.includeTraits
    ? await readTraitsPage(database, environmentId, ordinals, request.signal)
    : await readMemberPage(database, environmentId, ordinals, request.signal);
  if (page.ordinals.length < ordinals.length) throw expired(request.revision);
  return page;
}

async function readTraitsPage(
  database: Database,
  environmentId: number,
  ordinals: Float64Array,
  signal: AbortSignal,
): Promise<Page> {
  const identities = await runCancellable(database, signal, (sql) =>
    readIdentities(sql, environmentId, [...ordinals], true),
  );
  return { kind: 'traits', ordinals: Float64Array.from(identities, ({ id }) => id), identities };
}

/** What a page of members for a person is to hold. `after` is the ordinal before the first. */
export interface ListRequest {
  readonly after: number;
  readonly size: number;
  /** Only identifiers with this within them, whatever the case; '' for all. */
  readonly query: string;
  readonly includeTraits: boolean;
  readonly signal: AbortSignal;
}

/** A page of members for a person: where to go on, undefined at the end. */
export interface ListedPage {
  readonly identities: readonly StoredIdentity[];
  readonly nextAfter: number | undefined;
}

/** Identities that one page of a listing with a query looks at. */
const SCAN_BUDGET = 20_000;
const SCAN_STEP = 2_000;
/** A page with traits ends at this length: clients take answers of 4 MiB. */
const MAX_LISTED_LENGTH = 2 ** 20;
const LIST_STEP_WITH_TRAITS = 25;

/** One page of members in ordinal order. With a `query` it stops after SCAN_BUDGET, so it may be short, or empty, and not the last; large traits make it short, too. */
export async function listPage(
  database: Database,
  index: EnvironmentIndex,
  { set, revision }: Selection,
  request: ListRequest,
): Promise<ListedPage> {
  const { after, size, query, signal } = request;
  const environmentId = index.environment.id;
  if (query === '') {
    const ordinals = set.page(after, size + 1);
    return readListed(
      database,
      environmentId,
      [...ordinals.subarray(0, size)],
      ordinals.length > size ? ordinals.at(size - 1) : undefined,
      { ...request, revision },
    );
  }
  const found: number[] = [];
  let scanned = after;
  for (let looked = 0; looked < SCAN_BUDGET && found.length < size; looked += SCAN_STEP) {
    const ordinals = set.page(scanned, SCAN_STEP);
    const last = ordinals.at(-1);
    if (last === undefined) return readListed(database, environmentId, found, undefined, { ...request, revision });
    found.push(
      ...(await runCancellable(database, signal, (sql) =>
        filterByIdentifier(sql, environmentId, [...ordinals], query),
      )),
    );
    scanned = last;
  }
  const listed = found.slice(0, size);
  return readListed(database, environmentId, listed, found.length >= size ? listed.at(-1) : scanned, {
    ...request,
    revision,
  });
}

/** Reads what is to be listed; where that gets too large, the page ends early. Throws CURSOR_EXPIRED where a member is not to be found any more. */
async function readListed(
  database: Database,
  environmentId: number,
  ordinals: readonly number[],
  nextAfter: number | undefined,
  { includeTraits, signal, revision }: ListRequest & { readonly revision: number },
): Promise<ListedPage> {
  const step = includeTraits ? LIST_STEP_WITH_TRAITS : Math.max(1, ordinals.length);
  const identities: StoredIdentity[] = [];
  for (let from = 0; from < ordinals.length; from += step) {
    const part = ordinals.slice(from, from + step);
    const read = await runCancellable(database, signal, (sql) =>
      readIdentities(sql, environmentId, part, includeTraits),
    );
    if (read.length < part.length) throw expired(revision);
    identities.push(...read);
    if (from + step < ordinals.length && lengthOf(identities) > MAX_LISTED_LENGTH)
      return { identities, nextAfter: part.at(-1) };
  }
  return { identities, nextAfter };
}
