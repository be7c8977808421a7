import type { Sql } from './database.js';

export type AuditAction = 'created' | 'updated' | 'deleted';
export type AuditSubject = 'segment' | 'list' | 'environment' | 'organisation';

type JsonValue = string | number | boolean | null | JsonValue[] | { [member: string]: JsonValue };

/** A subject as its message of the contract in JSON, or what stands for one that is too large. */
export interface AuditState {
  [member: string]: JsonValue;
}

/** What was done, to what, and by whom. Written by the transaction that does it. */
export interface NewAuditEntry {
  readonly actor: string;
  readonly action: AuditAction;
  readonly subject: AuditSubject;
  /** Where it belongs to one. */
  readonly project?: string;
  readonly key: string;
  /** Where it was there, and is another now. */
  readonly before?: AuditState;
  /** Where it is there, and was another before. */
  readonly after?: AuditState;
  /** Why or what, where that is not plain. */
  readonly note?: string;
}

/** An entry as it is kept. */
export interface AuditEntry {
  readonly id: number;
  readonly at: Date;
  readonly actor: string;
  readonly action: AuditAction;
  readonly subject: AuditSubject;
  /** '' where it belongs to none. */
  readonly project: string;
  readonly key: string;
  readonly before: AuditState | null;
  readonly after: AuditState | null;
  readonly note: string;
}

/** Entries that have all of what is given. */
export interface AuditFilter {
  readonly action?: AuditAction;
  readonly subject?: AuditSubject;
  readonly project?: string;
  readonly key?: string;
  readonly actor?: string;
  /** Not before. */
  readonly since?: Date;
  /** Before. */
  readonly until?: Date;
}

/** Where a page begins and ends. */
export interface AuditPage {
  /** Only entries with lower ids; Infinity for the newest. */
  readonly beforeId: number;
  readonly limit: number;
  /** Of `before` and `after` as text, over the page; an entry that is larger is a page of its own. */
  readonly maxBytes: number;
}

/** The actor of what the service did by itself. */
export const SERVICE_ACTOR = 'rollcall';

/** JSON text of one statement: jsonb holds at most 256 MiB. */
const MAX_STATEMENT_LENGTH = 16 * 1024 * 1024;

/** Writes entries, in order. */
export async function writeAudit(tx: Sql, entries: readonly NewAuditEntry[]): Promise<void> {
  for (const rows of cutRows(entries.map((entry) => JSON.stringify(entry)))) {
    await tx`
      insert into audit_entry (actor, action, subject, project, key, before, after, note)
      select actor, action, subject, coalesce(project, ''), key, before, after, coalesce(note, '') from rows from (
        jsonb_to_recordset(${`[${rows.join(',')}]`}::text::jsonb)
          as (actor text, action text, subject text, project text, key text, before jsonb, after jsonb, note text)
      ) with ordinality as entry (actor, action, subject, project, key, before, after, note, place) order by place`;
  }
}

function* cutRows(rows: readonly string[]): Generator<string[]> {
  let part: string[] = [];
  let length = 0;
  for (const row of rows) {
    if (part.length > 0 && length + row.length > MAX_STATEMENT_LENGTH) {
      yield part;
      part = [];
      length = 0;
    }
    part.push(row);
    length += row.length;
  }
  if (part.length > 0) yield part;
}

/** One page of entries, the newest first, and whether there are more. */
export async function listAudit(
  sql: Sql,
  filter: AuditFilter,
  { beforeId, limit, maxBytes }: AuditPage,
): Promise<{ readonly entries: readonly AuditEntry[]; readonly hasMore: boolean }> {
  const rows = await sql<(AuditEntry & { readonly found: number })[]>`
    with newest as materialized (
      select id, bytes from audit_entry where ${isMeant(sql, filter, beforeId)} order by id desc limit ${limit + 1}
    ), sized as (
      select id, row_number() over later as place, sum(bytes) over later as total from newest window later as (order by id desc)
    )
    select id, at, actor, action, subject, project, key, before, after, note, (select count(*)::int from newest) as found
    from sized join audit_entry using (id)
    where place <= ${limit} and (total <= ${maxBytes} or place = 1) order by id desc`;
  const entries = rows.map(({ found: _found, ...entry }) => entry);
  return { entries, hasMore: (rows[0]?.found ?? 0) > rows.length };
}

/** Only what is asked for becomes a condition, so that an index can serve it. */
function isMeant(sql: Sql, filter: AuditFilter, beforeId: number) {
  const { action, subject, project, key, actor, since, until } = filter;
  return sql`
    true
    ${Number.isFinite(beforeId) ? sql`and id < ${beforeId}` : sql``}
    ${action === undefined ? sql`` : sql`and action = ${action}`}
    ${subject === undefined ? sql`` : sql`and subject = ${subject}`}
    ${project === undefined ? sql`` : sql`and project = ${project}`}
    ${key === undefined ? sql`` : sql`and key = ${key}`}
    ${actor === undefined ? sql`` : sql`and actor = ${actor}`}
    ${since === undefined ? sql`` : sql`and at >= ${since}`}
    ${until === undefined ? sql`` : sql`and at < ${until}`}`;
}

/** Removes at most `limit` entries older than the retention, the oldest first; how many. */
export async function expireAudit(sql: Sql, retentionMs: number, limit: number): Promise<number> {
  const { count } = await sql`
    delete from audit_entry where id in (
      select id from audit_entry where at < now() - ${retentionMs} * interval '1 millisecond' order by at limit ${limit})`;
  return count;
}
