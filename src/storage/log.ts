import type { Sql } from './database.js';

/** One revision of an environment as it was logged. */
export interface LogRow {
  readonly revision: number;
  readonly committedAt: Date;
  readonly payload: Buffer;
}

/** What the log of an environment holds. */
export interface LogSize {
  readonly revisions: number;
  readonly bytes: number;
}

/** Rows of revisions in (after, until], ascending, at most `limit`. */
export async function readLog(
  sql: Sql,
  environmentId: number,
  after: number,
  until: number,
  limit: number,
): Promise<LogRow[]> {
  return sql<LogRow[]>`
    select revision, committed_at as "committedAt", payload from atom_log
    where environment_id = ${environmentId} and revision > ${after} and revision <= ${until} order by revision limit ${limit}`;
}

/** The size of the log after a revision. */
export async function measureLog(sql: Sql, environmentId: number, after: number): Promise<LogSize> {
  const [row] = await sql<LogSize[]>`
    select count(*)::int as revisions, coalesce(sum(octet_length(payload)), 0)::float8 as bytes
    from atom_log where environment_id = ${environmentId} and revision > ${after}`;
  return row ?? { revisions: 0, bytes: 0 };
}

/** Removes rows below `revision` that are older than `retentionMs`; how many. The newest row stays: by its time readers know the database again. */
export async function trimLog(sql: Sql, environmentId: number, revision: number, retentionMs: number): Promise<number> {
  const { count } = await sql`
    delete from atom_log where environment_id = ${environmentId} and revision < ${revision}
      and committed_at < now() - ${retentionMs} * interval '1 millisecond'`;
  return count;
}

/** The oldest revision that is logged; undefined where none is. */
export async function oldestLogged(sql: Sql, environmentId: number): Promise<number | undefined> {
  const [row] = await sql<
    { revision: number | null }[]
  >`select min(revision) as revision from atom_log where environment_id = ${environmentId}`;
  return row?.revision ?? undefined;
}
