import type { Sql } from './database.js';
import { INT8_ARRAY } from './environments.js';

/** The state of an environment as its backfill leaves it. Under its head, with a catalog revision. */
export interface LoadedState {
  /** Undefined leaves it as it is. */
  readonly state?: 'loading' | 'ready' | 'failed';
  readonly stateReason?: string;
  /** When what is loaded began to be read; undefined leaves it as it is. */
  readonly loadedFrom?: Date;
}

/** Says which backfill of an environment is active, if any, and how the environment stands by it. */
export async function setActiveBackfill(
  sql: Sql,
  environmentId: number,
  backfillId: number | null,
  { state, stateReason = '', loadedFrom }: LoadedState = {},
): Promise<void> {
  await sql`
    update environment set backfill_id = ${backfillId}, state = coalesce(${state ?? null}::text, state),
      state_reason = case when ${state === undefined} then state_reason else ${stateReason} end,
      loaded_from = coalesce(${loadedFrom ?? null}::timestamptz, loaded_from), has_gap = has_gap and ${loadedFrom === undefined}
    where id = ${environmentId}`;
}

/** A backfill that nobody runs, and its environment. */
export interface WaitingBackfill {
  readonly id: number;
  readonly environmentId: number;
}

/** Running backfills of configured sources whose lease is over, of live environments that are on, the longest waiting first. */
export async function waitingBackfills(sql: Sql, limit: number): Promise<WaitingBackfill[]> {
  return sql<WaitingBackfill[]>`
    select backfill.id, environment_id as "environmentId"
    from backfill join environment on environment.id = environment_id and deleted_at is null and environment.state <> 'off'
    where backfill.state = 'running' and backfill.source <> 'file' and lease_until < now() order by lease_until, backfill.id limit ${limit}`;
}

/** Environments with a source that were never loaded whole and of which no backfill is active. */
export async function environmentsToLoad(sql: Sql, limit: number): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select id from environment
    where state = 'loading' and source <> '' and backfill_id is null and deleted_at is null order by id limit ${limit}`;
  return rows.map(({ id }) => id);
}

/** Environments with a source that are on, whose newest backfill neither runs nor began or failed within `intervalMs`. */
export async function environmentsToRefresh(sql: Sql, intervalMs: number, limit: number): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select environment.id from environment left join lateral (
      select state, started_at, updated_at from backfill where environment_id = environment.id
      order by environment_id desc, backfill.id desc limit 1) as newest on true
    where environment.source <> '' and environment.state in ('ready', 'failed') and deleted_at is null and newest.state is distinct from 'running'
      and coalesce(case when newest.state = 'failed' then newest.updated_at else newest.started_at end, '-infinity') < now() - ${intervalMs} * interval '1 millisecond'
    order by environment.id limit ${limit}`;
  return rows.map(({ id }) => id);
}

/** Loads of files whose callers have been gone for `idleMs`. */
export async function abandonedLoads(sql: Sql, idleMs: number): Promise<WaitingBackfill[]> {
  return sql<WaitingBackfill[]>`
    select id, environment_id as "environmentId" from backfill
    where state = 'running' and source = 'file' and lease_until < now() and updated_at < now() - ${idleMs} * interval '1 millisecond'`;
}

/** Backfills that failed longer ago than `maxAgeMs`. */
export async function oldFailures(sql: Sql, maxAgeMs: number): Promise<WaitingBackfill[]> {
  return sql<WaitingBackfill[]>`
    select id, environment_id as "environmentId" from backfill
    where state = 'failed' and updated_at < now() - ${maxAgeMs} * interval '1 millisecond'`;
}

/** Forgets backfills of which their environments have more than `keep` newer ones, but for those that are active, and all of environments that are gone. */
export async function forgetBackfills(sql: Sql, keep: number): Promise<void> {
  const rows = await sql<{ id: number }[]>`
    select id from (
      select id, state, environment_id, row_number() over (partition by environment_id order by id desc) as place from backfill) as numbered
    where (place > ${keep} and state in ('done', 'cancelled')) or not exists (select from environment where environment.id = environment_id) limit 1000`;
  if (rows.length === 0) return;
  const ids = sql.array(
    rows.map(({ id }) => id),
    INT8_ARRAY,
  );
  await sql`delete from backfill_skipped_row where backfill_id = any(${ids})`;
  await sql`delete from backfill where id = any(${ids})`;
}
