import type { Sql } from './database.js';
import { INT8_ARRAY, TEXT_ARRAY } from './environments.js';

/**
 * How the values of a trait come: 'json' as JSON texts, without newlines; 'bare' as such texts but for strings, which come as they are, newlines included, and null, which
 * counts as missing.
 */
export type TraitForm = 'json' | 'bare';

/** One trait of the identities of a range, in step: their distances from the range's start, and texts, each ended by a newline but the last, '' where there is no such trait. */
export interface TraitColumn {
  readonly offsets: Uint32Array;
  readonly texts: string;
}

/** A longer text is cut to one character more (the 257 of the statement). JSON texts of any length would not fit one row together. */
export const MAX_COLUMN_TEXT = 256;

/** One scanned identity. `traits` is '{}' where the scan needs none of them. */
export interface ScannedIdentity {
  readonly id: number;
  readonly identifier: string;
  readonly keyOverride: string | null;
  readonly traits: string;
}

/** What is evaluated in one go: for so long nothing else of the process is answered. */
const ROWS_PER_FETCH = 2_000;
/** Each is up to a mebibyte. */
const LONG_TEXTS_PER_FETCH = 20;

/** The smallest live ordinal that is at least `from`; undefined where there is none. */
export async function nextLiveOrdinal(sql: Sql, environmentId: number, from: number): Promise<number | undefined> {
  const [row] = await sql<{ id: number | null }[]>`
    select min(id) as id from identity where environment_id = ${environmentId} and id >= ${from} and deleted_revision is null`;
  return row?.id ?? undefined;
}

/** The largest ordinal, a tombstone's too; 0 where there is none. */
export async function highestOrdinal(sql: Sql, environmentId: number): Promise<number> {
  const [row] = await sql<
    { id: number | null }[]
  >`select max(id) as id from identity where environment_id = ${environmentId}`;
  return row?.id ?? 0;
}

/** How many live identities [from, until) has; counts no further than `limit`. */
export async function countIdentities(
  sql: Sql,
  environmentId: number,
  from: number,
  until: number,
  limit: number,
): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from (
      select from identity where environment_id = ${environmentId} and id >= ${from} and id < ${until} and deleted_revision is null limit ${limit}) as counted`;
  return row?.count ?? 0;
}

/**
 * One trait of the live identities of [from, until); `until - from` is at most 2^31. A text longer than MAX_COLUMN_TEXT comes cut. All come in one row: about 2^19 identities,
 * and it fails where they do not fit one.
 */
export async function readTraitColumn(
  sql: Sql,
  environmentId: number,
  traitKey: string,
  form: TraitForm,
  from: number,
  until: number,
): Promise<TraitColumn> {
  const value = form === 'bare' ? sql`traits ->> ${traitKey}` : sql`traits -> ${traitKey}`;
  const [row] = await sql`
    select string_agg(int4send((id - ${from})::int), ''), string_agg(coalesce((${value})::varchar(257), ''), E'\\n')
    from identity where environment_id = ${environmentId} and id >= ${from} and id < ${until} and deleted_revision is null`.raw();
  return { offsets: unpackOffsets(row?.[0]), texts: row?.[1]?.toString('utf8') ?? '' };
}

/** The whole JSON texts of one trait of live identities that have it, by ordinal. */
export async function* readTrait(
  sql: Sql,
  environmentId: number,
  traitKey: string,
  ids: readonly number[],
): AsyncGenerator<readonly { readonly id: number; readonly text: string }[]> {
  yield* sql<{ id: number; text: string }[]>`
    select id, (traits -> ${traitKey})::text as text from identity
    where environment_id = ${environmentId} and id = any(${sql.array([...ids], INT8_ARRAY)}) and traits ? ${traitKey}`.cursor(
    LONG_TEXTS_PER_FETCH,
  );
}

/** The distances of the live ordinals of [from, until) from `from`. */
export async function readOrdinals(sql: Sql, environmentId: number, from: number, until: number): Promise<Uint32Array> {
  const [row] = await sql`
    select string_agg(int4send((id - ${from})::int), '')
    from identity where environment_id = ${environmentId} and id >= ${from} and id < ${until} and deleted_revision is null`.raw();
  return unpackOffsets(row?.[0]);
}

function unpackOffsets(packed: Buffer | null | undefined): Uint32Array {
  const bytes = Buffer.from(packed?.toString('latin1', 2) ?? '', 'hex').swap32();
  return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** The live identities of [from, until), by id, in batches of bounded size. Traits come of those that have one of `traitKeys`. */
export async function* scanIdentities(
  sql: Sql,
  environmentId: number,
  from: number,
  until: number,
  traitKeys: readonly string[] | 'all',
): AsyncGenerator<ScannedIdentity[]> {
  const traits =
    traitKeys === 'all'
      ? sql`traits::text`
      : sql`case when traits ?| ${sql.array([...traitKeys], TEXT_ARRAY)}::text[] then traits::text else '{}' end`;
  yield* sql<ScannedIdentity[]>`
    select id, coalesce(long_identifier, identifier) as identifier, key_override as "keyOverride", ${traits} as traits
    from identity where environment_id = ${environmentId} and id >= ${from} and id < ${until} and deleted_revision is null order by id
  `.cursor(ROWS_PER_FETCH);
}

/** The ordinals of the live identities of [from, until), ascending. */
export async function liveOrdinals(sql: Sql, environmentId: number, from: number, until: number): Promise<number[]> {
  const [row] = await sql`
    select string_agg(int4send((id - ${from})::int), '' order by id) from identity
    where environment_id = ${environmentId} and id >= ${from} and id < ${until} and deleted_revision is null`.raw();
  return Array.from(unpackOffsets(row?.[0]), (offset) => from + offset);
}
