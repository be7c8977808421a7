import type { OrdinalSet } from '../core/bitmap.js';
import { type Database, runCancellable } from '../storage/database.js';
import { filterByIdentifier, readIdentities, type StoredIdentity } from '../storage/identities.js';
import { type MemberPage, readMemberPage } from '../storage/member-pages.js';
import type { EnvironmentIndex, Selection } from './environment-index.js';

/** Members of one page: their identifiers, or with their traits. */
export type Page = MemberPage | { readonly kind: 'traits'; readonly ordinals: Float64Array; readonly identities: readonly StoredIdentity[] };

/** What to read of a set. `after` is the ordinal before the first. */
export interface PagesRequest {
  readonly set: OrdinalSet;
  readonly after: number;
  readonly limit: number;
  readonly includeTraits: boolean;
  readonly signal: AbortSignal;
}

/** Members of one query to Postgres. */
const PAGE_MEMBERS = 10_000;
/** With traits, which are larger. */
const PAGE_MEMBERS_WITH_TRAITS = 1_000;

/** Pages of the members of a set in ordinal order. The next page is fetched while the caller is busy with this one; never more (I12). */
export async function* readPages(database: Database, environmentId: number, request: PagesRequest): AsyncGenerator<Page> {
  const size = request.includeTraits ? PAGE_MEMBERS_WITH_TRAITS : PAGE_MEMBERS;
  let after = request.after;
  let left = request.limit;
  const fetchNext = (): Promise<Page> | undefined => {
    const ordinals = request.set.page(after, Math.min(size, left));
    const last = ordinals.at(-1);
    if (last === undefined) return undefined;
    after = last;
    left -= ordinals.length;
    const page = readPage(database, environmentId, ordinals, request);
    page.catch(() => undefined);
    return page;
  };
  let next = fetchNext();
  while (next !== undefined) {
    const page = await next;
    next = fetchNext();
    yield page;
  }
}

async function readPage(database: Database, environmentId: number, ordinals: Float64Array, request: PagesRequest): Promise<Page> {
  if (!request.includeTraits) return readMemberPage(database, environmentId, ordinals, request.signal);
  const identities = await runCancellable(database, request.signal, (sql) => readIdentities(sql, environmentId, [...ordinals]));
  return { kind: 'traits', ordinals: Float64Array.from(identities, ({ id }) => id), identities };
}

/** A page of members for a person: where to go on, undefined at the end. */
export interface ListedPage {
  readonly identities: readonly StoredIdentity[];
  readonly nextAfter: number | undefined;
}

/** Identities that one page of a listing with a query looks at. */
export const SCAN_BUDGET = 20_000;
const SCAN_STEP = 2_000;

/** One page of members in ordinal order. With a `query` it stops after SCAN_BUDGET, so it may be short, or empty, and not the last. */
export async function listPage(
  database: Database,
  index: EnvironmentIndex,
  selection: Selection,
  request: { readonly after: number; readonly size: number; readonly query: string },
): Promise<ListedPage> {
  const environmentId = index.environment.id;
  if (request.query === '') {
    const ordinals = selection.set.page(request.after, request.size);
    const last = ordinals.at(-1);
    const hasMore = last !== undefined && selection.set.page(last, 1).length > 0;
    return { identities: await readIdentities(database.sql, environmentId, [...ordinals]), nextAfter: hasMore ? last : undefined };
  }
  const identities: StoredIdentity[] = [];
  let after = request.after;
  for (let scanned = 0; scanned < SCAN_BUDGET; scanned += SCAN_STEP) {
    const ordinals = selection.set.page(after, SCAN_STEP);
    const last = ordinals.at(-1);
    if (last === undefined) return { identities, nextAfter: undefined };
    const found = await filterByIdentifier(database.sql, environmentId, [...ordinals], request.query);
    identities.push(...found.slice(0, request.size - identities.length));
    const lastFound = identities.at(-1);
    if (identities.length === request.size && lastFound !== undefined) return { identities, nextAfter: lastFound.id };
    after = last;
  }
  return { identities, nextAfter: after };
}
