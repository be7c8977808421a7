import { createHash } from 'node:crypto';
import type { Sql } from './database.js';
import { INT8_ARRAY, TEXT_ARRAY } from './environments.js';

/** Ends each identifier of an aggregated page: in no stored identifier. */
export const SEPARATOR = '\n';
/** Begins the stored form of an identifier that does not fit an index or holds a reserved character; the whole is in `long_identifier`. */
const LONG_MARK = '\u0002';
/** A key of a Postgres index holds at most about 2,700 bytes. */
const MAX_INDEXED_BYTES = 1800;
const NOT_PLAIN = /[\n\u0002\ud800-\udfff]/;

/** A live identity. `traits` is the text of a JSON object (see `trait-text.ts`). */
export interface StoredIdentity {
  readonly id: number;
  readonly identifier: string;
  readonly traits: string;
}

/** The form of an identifier that is looked up and indexed. */
export function storedIdentifier(identifier: string): string {
  const isLong = identifier.length > MAX_INDEXED_BYTES / 3 && Buffer.byteLength(identifier) > MAX_INDEXED_BYTES;
  if (!isLong && !identifier.includes(SEPARATOR) && !identifier.includes(LONG_MARK)) return identifier;
  return LONG_MARK + createHash('sha256').update(identifier).digest('hex');
}

/** Whether an aggregated page holds a stored form that is not the identifier itself. */
export function isLongForm(page: Uint8Array): boolean {
  return page.includes(LONG_MARK.charCodeAt(0));
}

/** Identities in the order in which writers lock and insert them: by the bytes of the stored identifier, as Postgres sorts it, then by id. Equal ones stay in their order. */
export function inLockOrder<Item extends Pick<StoredIdentity, 'id' | 'identifier'>>(items: readonly Item[]): Item[] {
  // Where there are no surrogates, units of UTF-16 and bytes of UTF-8 sort alike.
  if (items.every(({ identifier }) => isPlain(identifier)))
    return items.toSorted((a, b) => compareUnits(a.identifier, b.identifier) || a.id - b.id);
  return items
    .map((item) => ({ item, bytes: Buffer.from(storedIdentifier(item.identifier)) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes) || a.item.id - b.item.id)
    .map(({ item }) => item);
}

/** Whether an identifier is its own stored form and has no surrogates. */
function isPlain(identifier: string): boolean {
  return identifier.length <= MAX_INDEXED_BYTES / 3 && !NOT_PLAIN.test(identifier);
}

function compareUnits(a: string, b: string): number {
  return a < b ? -1 : a === b ? 0 : 1;
}

function longForm(identifier: string): string | null {
  return storedIdentifier(identifier) === identifier ? null : identifier;
}

const traitsText = (sql: Sql, isWanted: boolean) => (isWanted ? sql`traits::text` : sql`'{}'`);
const wholeIdentifier = (sql: Sql) => sql`coalesce(long_identifier, identifier)`;

/** An identity as it was read for a change. `isLive` is false for tombstones; `version` names the state of the row: any other write gives it another. */
export type FoundIdentity = StoredIdentity & {
  readonly keyOverride: string | null;
  readonly isLive: boolean;
  readonly version: string;
};

/** The live identities with these identifiers and, whatever their state, those with these ids. */
export interface Wanted {
  readonly identifiers: readonly string[];
  readonly ids: readonly number[];
}

/** Reads identities as they are now, in no order. */
export async function findIdentities(sql: Sql, environmentId: number, wanted: Wanted): Promise<FoundIdentity[]> {
  return sql<FoundIdentity[]>`select ${foundColumns(sql)} from identity where ${isWanted(sql, environmentId, wanted)}`;
}

/** An identity as it was found, and where. */
export type FoundInEnvironment = FoundIdentity & { readonly environmentId: number };

/** Reads the live identities with these identifiers in several environments as they are now, in no order. */
export async function findInEnvironments(
  sql: Sql,
  wanted: readonly { readonly environmentId: number; readonly identifier: string }[],
): Promise<FoundInEnvironment[]> {
  return sql<FoundInEnvironment[]>`
    select environment_id as "environmentId", ${foundColumns(sql)}
    from unnest(${sql.array(
      wanted.map(({ environmentId }) => environmentId),
      INT8_ARRAY,
    )}::bigint[], ${sql.array(
      wanted.map(({ identifier }) => storedIdentifier(identifier)),
      TEXT_ARRAY,
    )}::text[]) as wanted (environment_id, identifier) join identity using (environment_id, identifier)
    where deleted_revision is null`;
}

/**
 * Locks and reads identities in the order of `inLockOrder`. Rows stay locked to the end of the transaction. Whoever was waited for may have created some, which
 * the statement that waited does not see: so what is there is read by a second one.
 */
export async function lockIdentities(sql: Sql, environmentId: number, wanted: Wanted): Promise<FoundIdentity[]> {
  const lockedRows = () =>
    sql`from identity where ${isWanted(sql, environmentId, wanted)} order by identity.identifier, id for no key update`;
  await sql`select count(*) from (select ${lockedRows()}) as locked`;
  return sql<FoundIdentity[]>`select ${foundColumns(sql)} ${lockedRows()}`;
}

/** Waits for the other writers of an environment that read under locks, and keeps them out to the end of the transaction: they would wait for each other in rounds. */
export async function lockWriters(sql: Sql, environmentId: number): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`rollcall.writers:${environmentId}`}, 0))`;
}

const foundColumns = (sql: Sql) => sql`
  id, ${wholeIdentifier(sql)} as identifier, traits::text as traits, key_override as "keyOverride", deleted_revision is null as "isLive", identity.ctid || ' ' || identity.xmin as version`;

function isWanted(sql: Sql, environmentId: number, { identifiers, ids }: Wanted) {
  const stored = sql.array(identifiers.map(storedIdentifier), TEXT_ARRAY);
  const isGiven = ids.length === 0 ? sql`` : sql`or id = any(${sql.array([...ids], INT8_ARRAY)})`;
  return sql`environment_id = ${environmentId} and ((identifier = any(${stored}) and deleted_revision is null) ${isGiven})`;
}

/** How a row changes, given the version that was read. */
export type RowPatch = FreeingPatch | TraitsPatch;

/** The row gives up its identifier: a tombstone, until its transaction says of which revision or writes another identity there. */
export interface FreeingPatch {
  readonly kind: 'free';
  readonly id: number;
  readonly version: string;
}

/** Keys that go, and the text of a JSON object with those that come or change; `keyOverride` only where it becomes another, null for none. */
export interface TraitsPatch {
  readonly kind: 'traits';
  readonly id: number;
  readonly version: string;
  readonly removed: readonly string[];
  readonly set: string;
  readonly keyOverride?: string | null;
}

/** The revision of tombstones until their transaction knows its own; later than any. */
const UNKNOWN_REVISION = Number.MAX_SAFE_INTEGER;

/**
 * Changes the rows whose versions are still those, one after the other; how many. By the row's place, which needs no index; place and transaction alone would
 * name another row after `vacuum full`. One JSON document: an array of texts would be escaped here and read twice there.
 */
export async function patchIdentities(sql: Sql, environmentId: number, patches: readonly RowPatch[]): Promise<number> {
  return patchRows(
    sql,
    sql`${environmentId}`,
    patches.map((patch) => `{${patchMembers(patch)}}`),
  );
}

/** The same for rows of several environments. */
export async function patchInEnvironments(
  sql: Sql,
  patches: readonly { readonly environmentId: number; readonly patch: RowPatch }[],
): Promise<number> {
  const records = patches.map(({ environmentId, patch }) => `{"environment":${environmentId},${patchMembers(patch)}}`);
  return patchRows(sql, sql`patch.environment`, records);
}

async function patchRows(
  sql: Sql,
  environmentId: ReturnType<typeof wholeIdentifier>,
  records: readonly string[],
): Promise<number> {
  if (records.length === 0) return 0;
  const { count } = await sql`
    update identity set traits = case when patch.freed then '{}' else (identity.traits - coalesce(patch.removed, '{}')) || patch.set end,
      key_override = case when patch.freed then null when patch.rekeyed then patch.key else identity.key_override end,
      deleted_revision = case when patch.freed then ${UNKNOWN_REVISION}::bigint end
    from jsonb_to_recordset(${`[${records.join(',')}]`}::text::jsonb)
      as patch (environment bigint, id bigint, place tid, written xid, freed boolean, rekeyed boolean, key text, removed text[], set jsonb)
    where identity.ctid = patch.place and identity.xmin = patch.written and identity.id = patch.id and identity.environment_id = ${environmentId}`;
  return count;
}

function patchMembers(patch: RowPatch): string {
  const { id, version } = patch;
  const space = version.indexOf(' ');
  const row = `"id":${id},"place":"${version.slice(0, space)}","written":"${version.slice(space + 1)}"`;
  if (patch.kind === 'free') return `${row},"freed":true`;
  const removed = patch.removed.length === 0 ? '' : `"removed":${JSON.stringify(patch.removed)},`;
  const key = patch.keyOverride === undefined ? '' : `"rekeyed":true,"key":${JSON.stringify(patch.keyOverride)},`;
  return `${row},${key}${removed}"set":${patch.set}`;
}

/** An identity to insert. */
export type NewIdentity = StoredIdentity & { readonly keyOverride?: string | undefined };

/**
 * Inserts identities in this order, or writes them into rows that this transaction has freed; how many. Where another writer holds an id, that one is left out;
 * where another holds an identifier, it fails as a unique violation.
 */
export async function insertIdentities(
  sql: Sql,
  environmentId: number,
  identities: readonly NewIdentity[],
): Promise<number> {
  return insertInEnvironments(
    sql,
    identities.map((identity) => ({ environmentId, identity })),
  );
}

/** The same in several environments. */
export async function insertInEnvironments(
  sql: Sql,
  rows: readonly { readonly environmentId: number; readonly identity: NewIdentity }[],
): Promise<number> {
  if (rows.length === 0) return 0;
  const texts = (textOf: (identity: NewIdentity) => string | null) =>
    sql.array(
      rows.map(({ identity }) => textOf(identity)),
      TEXT_ARRAY,
    );
  const numbers = (values: number[]) => sql.array(values, INT8_ARRAY);
  const { count } = await sql`
    insert into identity (environment_id, id, identifier, long_identifier, key_override, traits)
    select * from unnest(
      ${numbers(rows.map(({ environmentId }) => environmentId))}::bigint[],
      ${numbers(rows.map(({ identity }) => identity.id))}::bigint[],
      ${texts(({ identifier }) => storedIdentifier(identifier))}::text[],
      ${texts(({ identifier }) => longForm(identifier))}::text[],
      ${texts(({ keyOverride }) => keyOverride ?? null)}::text[],
      ${texts(({ traits }) => traits)}::jsonb[])
    on conflict (environment_id, id) do update
    set identifier = excluded.identifier, long_identifier = excluded.long_identifier, key_override = excluded.key_override, traits = excluded.traits, deleted_revision = null
    where identity.deleted_revision = ${UNKNOWN_REVISION}`;
  return count;
}

/**
 * Inserts identities none of which is there, from the lines of `linesOf`: faster than `insertIdentities`, and where another holds an id, a tombstone too, or an identifier, it fails, as a unique violation or, where that shows only at
 * the end, as a transaction that failed. `onSent` is called when they are on their way: until Postgres has them this process has time for something else.
 */
export async function copyIdentities(sql: Sql, lines: readonly Buffer[], onSent: () => void): Promise<void> {
  const copying = await sql`
    copy identity (environment_id, id, identifier, long_identifier, key_override, traits) from stdin`.writable();
  let failure: Error | undefined;
  copying.once('error', (error) => {
    failure = error;
  });
  for (const some of lines) copying.write(some);
  copying.end();
  // The driver tells nobody of what fails at the end of a copy; the next statement fails by it.
  const ended = sql`select 1`.catch((error: unknown) => {
    throw failure ?? error;
  });
  onSent();
  await ended;
}

/** Identities as `copyIdentities` takes them. */
export function linesOf(environmentId: number, identities: readonly NewIdentity[]): Buffer {
  let lines = '';
  for (const { id, identifier, keyOverride, traits } of identities) {
    const stored = storedIdentifier(identifier);
    const long = stored === identifier ? NULL_FIELD : copyField(identifier);
    const override = keyOverride === undefined ? NULL_FIELD : copyField(keyOverride);
    lines += `${environmentId}\t${id}\t${copyField(stored)}\t${long}\t${override}\t${copyField(traits)}\n`;
  }
  return Buffer.from(lines);
}

/** Postgres's text format of COPY. */
const NULL_FIELD = '\\N';
const NOT_PLAIN_FIELD = /[\\\t\n\r]/;
const ESCAPED: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function copyField(text: string): string {
  return NOT_PLAIN_FIELD.test(text)
    ? text.replace(/[\\\t\n\r]/g, (character) => ESCAPED[character] ?? character)
    : text;
}

/** Turns locked rows into tombstones, which keep their identifiers for streams of earlier revisions. */
export async function deleteIdentities(
  sql: Sql,
  environmentId: number,
  ids: readonly number[],
  revision: number,
): Promise<void> {
  if (ids.length === 0) return;
  await sql`
    update identity set deleted_revision = ${revision}, traits = '{}', key_override = null
    where environment_id = ${environmentId} and id = any(${sql.array([...ids], INT8_ARRAY)})`;
}

/** Removes tombstones of revisions below `revision`, but for those that a writer holds: waiting for one could end in a deadlock. */
export async function purgeTombstones(sql: Sql, environmentId: number, revision: number): Promise<void> {
  await sql`
    delete from identity where environment_id = ${environmentId} and id in (
      select id from identity where environment_id = ${environmentId} and deleted_revision < ${revision} for update skip locked)`;
}

/** The live identity with this identifier; undefined where there is none. */
export async function findIdentity(
  sql: Sql,
  environmentId: number,
  identifier: string,
): Promise<StoredIdentity | undefined> {
  const [row] = await sql<StoredIdentity[]>`
    select id, ${wholeIdentifier(sql)} as identifier, traits::text as traits from identity
    where environment_id = ${environmentId} and identifier = ${storedIdentifier(identifier)} and deleted_revision is null`;
  return row;
}

/** Live and deleted identities by ordinal, ascending: what a page of members shows. Without their traits, those are '{}'. */
export async function readIdentities(
  sql: Sql,
  environmentId: number,
  ids: readonly number[],
  includeTraits = true,
): Promise<StoredIdentity[]> {
  return sql<StoredIdentity[]>`
    select id, ${wholeIdentifier(sql)} as identifier, ${traitsText(sql, includeTraits)} as traits from identity
    where environment_id = ${environmentId} and id = any(${sql.array([...ids], INT8_ARRAY)}) order by id`;
}

/** Those of the ids whose identifiers contain `text`, whatever the case, ascending. Postgres knows the case of no letter beyond ASCII in a "C" collation. */
export async function filterByIdentifier(
  sql: Sql,
  environmentId: number,
  ids: readonly number[],
  text: string,
): Promise<number[]> {
  const rows = await readIdentities(sql, environmentId, ids, false);
  const wanted = text.toLowerCase();
  return rows.filter(({ identifier }) => identifier.toLowerCase().includes(wanted)).map(({ id }) => id);
}
