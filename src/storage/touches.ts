import { decodeFlips, encodeFlips, UNIVERSE_ATOM_ID } from '../core/flips.js';
import type { Sql } from './database.js';
import { TEXT_ARRAY } from './environments.js';

/** What live changes touched of an identity while a backfill is active. */
export interface Touch {
  /** The stored form of its identifier, or `touchKeyOfId`. */
  readonly key: string;
  /** Its full state came, or it was deleted. */
  readonly isWhole: boolean;
  /** The traits that were set or removed, where it is not whole. */
  readonly keys: readonly string[];
}

/** What was touched among some identities, as of a revision. */
export interface TouchesSeen {
  readonly revision: number;
  readonly touches: ReadonlyMap<string, Touch>;
}

/** Names an identity by its id, where the source gives ids: not the stored form of any identifier. */
export function touchKeyOfId(id: number): string {
  return `\u0002#${id}`;
}

/** Under the environment's head. Each key comes once. */
export async function recordTouches(
  sql: Sql,
  environmentId: number,
  backfillId: number,
  revision: number,
  touches: readonly Touch[],
): Promise<void> {
  if (touches.length === 0) return;
  const records = touches.map(({ key, isWhole, keys }) =>
    JSON.stringify({ key, whole: isWhole, keys: isWhole ? [] : keys }),
  );
  await sql`
    insert into backfill_touch as earlier (environment_id, backfill_id, identifier, revision, is_whole, keys)
    select ${environmentId}, ${backfillId}, key, ${revision}, whole, keys
    from jsonb_to_recordset(${`[${records.join(',')}]`}::text::jsonb) as touch (key text, whole boolean, keys text[])
    on conflict (environment_id, backfill_id, identifier) do update set revision = excluded.revision,
      is_whole = earlier.is_whole or excluded.is_whole,
      keys = case when earlier.is_whole or excluded.is_whole then '{}'
        else array(select distinct unnest(earlier.keys || excluded.keys)) end`;
}

/** What was touched of the identities with these keys, and the revision up to which that is all. `keys` is asked only where anything was touched. */
export async function readTouches(
  sql: Sql,
  environmentId: number,
  backfillId: number,
  keys: () => readonly string[],
): Promise<TouchesSeen> {
  const [head] = await sql<{ revision: number; isAny: boolean }[]>`
    select revision, exists (select from backfill_touch where environment_id = ${environmentId} and backfill_id = ${backfillId}) as "isAny"
    from environment_head where environment_id = ${environmentId}`;
  if (head?.isAny !== true) return { revision: head?.revision ?? 0, touches: new Map() };
  const rows = await sql<(Omit<Touch, 'keys'> & { keys: string })[]>`
    select identifier as key, is_whole as "isWhole", array_to_json(keys)::text as keys from backfill_touch
    where ${isOfKeys(sql, environmentId, backfillId, keys())}`;
  const touches = rows.map((row): [string, Touch] => [row.key, { ...row, keys: readTexts(row.keys) }]);
  return { revision: head.revision, touches: new Map(touches) };
}

/** Whether any of the identities with these keys was touched after `revision`. */
export async function isTouchedAfter(
  sql: Sql,
  environmentId: number,
  backfillId: number,
  keys: readonly string[],
  revision: number,
): Promise<boolean> {
  const rows = await sql`
    select from backfill_touch where ${isOfKeys(sql, environmentId, backfillId, keys)} and revision > ${revision} limit 1`;
  return rows.length > 0;
}

function isOfKeys(sql: Sql, environmentId: number, backfillId: number, keys: readonly string[]) {
  return sql`environment_id = ${environmentId} and backfill_id = ${backfillId} and identifier = any(${sql.array([...keys], TEXT_ARRAY)})`;
}

function readTexts(json: string): string[] {
  const texts: unknown = JSON.parse(json);
  return Array.isArray(texts) ? texts.map(String) : [];
}

/** Notes the ordinals that a page has seen, ascending, each once. */
export async function insertScanned(
  sql: Sql,
  environmentId: number,
  backfillId: number,
  ordinals: readonly number[],
): Promise<void> {
  if (ordinals.length === 0) return;
  const atoms = new Map([[UNIVERSE_ATOM_ID, { set: ordinals, cleared: [] }]]);
  await sql`
    insert into backfill_page (environment_id, backfill_id, page, ordinals)
    select ${environmentId}, ${backfillId}, coalesce(max(page), 0) + 1, ${encodeFlips({ catalogChanged: false, atoms })}::bytea
    from backfill_page where environment_id = ${environmentId} and backfill_id = ${backfillId}`;
}

const PAGES_PER_FETCH = 50;

/** The ordinals of each page that was noted. Throws INDEX_CORRUPT where one is damaged. */
export async function* readScanned(
  sql: Sql,
  environmentId: number,
  backfillId: number,
): AsyncGenerator<readonly number[]> {
  for (let after = 0; ;) {
    const rows = await sql<{ page: number; ordinals: Uint8Array }[]>`
      select page, ordinals from backfill_page
      where environment_id = ${environmentId} and backfill_id = ${backfillId} and page > ${after} order by page limit ${PAGES_PER_FETCH}`;
    for (const { page, ordinals } of rows) {
      after = page;
      yield decodeFlips(ordinals).atoms.get(UNIVERSE_ATOM_ID)?.set ?? [];
    }
    if (rows.length < PAGES_PER_FETCH) return;
  }
}

/** Removes at most `limit` touches and pages each of backfills that can no longer be resumed; whether any were left. */
export async function clearEndedBackfills(sql: Sql, limit: number): Promise<boolean> {
  const isEnded = (table: string) =>
    sql`not exists (select from backfill where backfill.id = ${sql.unsafe(table)}.backfill_id and state in ('running', 'failed'))`;
  const touches = await sql`
    delete from backfill_touch where ctid = any(array(select ctid from backfill_touch where ${isEnded('backfill_touch')} limit ${limit}))`;
  const pages = await sql`
    delete from backfill_page where ctid = any(array(select ctid from backfill_page where ${isEnded('backfill_page')} limit ${limit}))`;
  return touches.count === limit || pages.count === limit;
}
