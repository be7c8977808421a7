import { createHash } from 'node:crypto';
import type { Sql } from './database.js';
import { INT8_ARRAY, TEXT_ARRAY } from './environments.js';

/** Ends each identifier of an aggregated page: in no stored identifier. */
export const SEPARATOR = '\n';
/** Begins the stored form of an identifier that does not fit an index or holds a reserved character; the whole is in `long_identifier`. */
const LONG_MARK = '\u0002';
/** A key of a Postgres index holds at most about 2,700 bytes. */
const MAX_INDEXED_BYTES = 1800;

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

function longForm(identifier: string): string | null {
  return storedIdentifier(identifier) === identifier ? null : identifier;
}

const traitsText = (sql: Sql, isWanted: boolean) => (isWanted ? sql`traits::text` : sql`'{}'`);
const wholeIdentifier = (sql: Sql) => sql`coalesce(long_identifier, identifier)`;

/** An identity as it was read for a change. `isLive` is false for tombstones; `version` names the state of the row: any other write gives it another. */
export type FoundIdentity = StoredIdentity & { readonly isLive: boolean; readonly version: string };

/** The live identities with these identifiers and, whatever their state, those with these ids. */
export interface Wanted {
  readonly identifiers: readonly string[];
  readonly ids: readonly number[];
}

/** Reads identities as they are now, in no order. */
export async function findIdentities(sql: Sql, environmentId: number, wanted: Wanted): Promise<FoundIdentity[]> {
  return sql<FoundIdentity[]>`select ${foundColumns(sql)} from identity where ${isWanted(sql, environmentId, wanted)}`;
}

/** Locks and reads identities in order of identifier. Rows stay locked to the end of the transaction. */
export async function lockIdentities(sql: Sql, environmentId: number, wanted: Wanted): Promise<FoundIdentity[]> {
  return sql<FoundIdentity[]>`
    select ${foundColumns(sql)} from identity where ${isWanted(sql, environmentId, wanted)}
    order by identity.identifier, id for no key update`;
}

const foundColumns = (sql: Sql) => sql`
  id, ${wholeIdentifier(sql)} as identifier, traits::text as traits, deleted_revision is null as "isLive", ctid || ' ' || xmin as version`;

function isWanted(sql: Sql, environmentId: number, { identifiers, ids }: Wanted) {
  const stored = sql.array(identifiers.map(storedIdentifier), TEXT_ARRAY);
  const isGiven = ids.length === 0 ? sql`` : sql`or id = any(${sql.array([...ids], INT8_ARRAY)})`;
  return sql`environment_id = ${environmentId} and ((identifier = any(${stored}) and deleted_revision is null) ${isGiven})`;
}

/** Inserts identities; the ids of those that were inserted: one whose identifier or id another writer holds is left out. */
export async function insertIdentities(
  sql: Sql,
  environmentId: number,
  identities: readonly StoredIdentity[],
): Promise<Set<number>> {
  const sorted = [...identities].sort((a, b) => a.id - b.id);
  const rows = await sql<{ id: number }[]>`
    insert into identity (environment_id, id, identifier, long_identifier, traits)
    select ${environmentId}, * from unnest(
      ${sql.array(
        sorted.map(({ id }) => id),
        INT8_ARRAY,
      )}::bigint[],
      ${sql.array(
        sorted.map(({ identifier }) => storedIdentifier(identifier)),
        TEXT_ARRAY,
      )}::text[],
      ${sql.array(
        sorted.map(({ identifier }) => longForm(identifier)),
        TEXT_ARRAY,
      )}::text[],
      ${sql.array(
        sorted.map(({ traits }) => traits),
        TEXT_ARRAY,
      )}::jsonb[])
    on conflict do nothing returning id`;
  return new Set(rows.map(({ id }) => id));
}

/** How the traits of an identity change, given the version that was read: keys that go, and the text of a JSON object with those that come or change. */
export interface TraitsPatch {
  readonly version: string;
  readonly removed: readonly string[];
  readonly set: string;
}

/**
 * Changes the traits of identities whose versions are still those; how many. By the row's place, which needs no index. One JSON document: an array of
 * texts would be escaped here and read twice there.
 */
export async function patchTraits(sql: Sql, environmentId: number, patches: readonly TraitsPatch[]): Promise<number> {
  if (patches.length === 0) return 0;
  const { count } = await sql`
    update identity set traits = (identity.traits - patch.removed) || patch.set
    from jsonb_to_recordset(${`[${patches.map(patchRecord).join(',')}]`}::text::jsonb) as patch (place tid, written xid, removed text[], set jsonb)
    where identity.ctid = patch.place and identity.xmin = patch.written and identity.environment_id = ${environmentId}`;
  return count;
}

function patchRecord({ version, removed, set }: TraitsPatch): string {
  const space = version.indexOf(' ');
  return `{"place":"${version.slice(0, space)}","written":"${version.slice(space + 1)}","removed":${JSON.stringify(removed)},"set":${set}}`;
}

/** Gives rows that this transaction has freed another identifier and brings them to life. */
export async function reviveIdentities(
  sql: Sql,
  environmentId: number,
  identities: readonly StoredIdentity[],
): Promise<void> {
  for (const { id, identifier, traits } of identities) {
    await sql`
      update identity
      set identifier = ${storedIdentifier(identifier)}, long_identifier = ${longForm(identifier)}, traits = ${traits}::text::jsonb, deleted_revision = null
      where environment_id = ${environmentId} and id = ${id}`;
  }
}

/** Turns rows whose versions are still those into tombstones; how many. */
export async function freeIdentities(
  sql: Sql,
  environmentId: number,
  versions: readonly string[],
  revision: number,
): Promise<number> {
  if (versions.length === 0) return 0;
  const { count } = await sql`
    update identity set deleted_revision = ${revision}, traits = '{}'
    from unnest(${sql.array([...versions], TEXT_ARRAY)}::text[]) as version
    where identity.ctid = split_part(version, ' ', 1)::tid and identity.xmin = split_part(version, ' ', 2)::xid
      and environment_id = ${environmentId}`;
  return count;
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
    update identity set deleted_revision = ${revision}, traits = '{}'
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

/** Keeps the tombstones of revisions from `revision` on for `forMs`, until the same holder says otherwise. */
export async function holdRevision(
  sql: Sql,
  environmentId: number,
  holder: string,
  revision: number,
  forMs: number,
): Promise<void> {
  await sql`
    insert into held_revision (environment_id, holder, revision, held_until)
    values (${environmentId}, ${holder}, ${revision}, now() + ${forMs} * interval '1 millisecond')
    on conflict (environment_id, holder) do update set revision = excluded.revision, held_until = excluded.held_until`;
}

/** Ends what `holdRevision` began. */
export async function releaseRevision(sql: Sql, environmentId: number, holder: string): Promise<void> {
  await sql`delete from held_revision where environment_id = ${environmentId} and holder = ${holder}`;
}

/** The lowest revision that is held; undefined where none is. Forgets holders that are gone. */
export async function lowestHeldRevision(sql: Sql, environmentId: number): Promise<number | undefined> {
  await sql`delete from held_revision where environment_id = ${environmentId} and held_until < now()`;
  const [row] = await sql<
    { revision: number | null }[]
  >`select min(revision) as revision from held_revision where environment_id = ${environmentId}`;
  return row?.revision ?? undefined;
}
