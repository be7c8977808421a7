import type { Sql } from './database.js';
import type { Backfill } from './backfills.js';

/** How long an environment is not refreshed again: this long after its newest backfill began, and after it ended. Milliseconds, 0 or less where it may be. */
export async function refreshCooldownLeftMs(sql: Sql, environmentId: number, cooldownMs: number): Promise<number> {
  const [row] = await sql<{ left: number }[]>`
    select ${cooldownMs} + extract(epoch from greatest(started_at, finished_at) - statement_timestamp())::float8 * 1000 as left
    from backfill where environment_id = ${environmentId} order by environment_id desc, id desc limit 1`;
  return row?.left ?? 0;
}

/** A backfill that runs or has failed, as metrics show it. */
export interface ActiveBackfill extends Pick<
  Backfill,
  | 'state'
  | 'hasReadAll'
  | 'position'
  | 'total'
  | 'identitiesRead'
  | 'identitiesChanged'
  | 'identitiesSwept'
  | 'rowsSkipped'
> {
  readonly environmentKey: string;
}

/** The backfills that run or have failed, the newest first, at most `limit`. */
export async function activeBackfills(sql: Sql, limit: number): Promise<ActiveBackfill[]> {
  return sql<ActiveBackfill[]>`
    select key as "environmentKey", backfill.state, has_read_all as "hasReadAll", position, total, identities_read as "identitiesRead",
      identities_changed as "identitiesChanged", identities_swept as "identitiesSwept", rows_skipped as "rowsSkipped"
    from backfill join environment on environment.id = environment_id and deleted_at is null
    where backfill.state in ('running', 'failed') order by backfill.id desc limit ${limit}`;
}
