import type { ErrorReason } from '../core/errors.js';
import type { SkippedRow, SourceSize } from '../core/source.js';
import type { Sql } from './database.js';
import { TEXT_ARRAY } from './environments.js';

/** What backfills read from. A `file` is streamed by a caller; the others a process reads by itself. */
export type BackfillSource = 'flagsmith' | 'dynamodb' | 'file';
export type BackfillState = 'running' | 'done' | 'failed' | 'cancelled';

/** One load of an environment. */
export interface Backfill {
  readonly id: number;
  readonly environmentId: number;
  readonly source: BackfillSource;
  /** For people. */
  readonly sourceName: string;
  readonly state: BackfillState;
  /** Reads are refused until it is complete. */
  readonly isFirst: boolean;
  /** What the source no longer has is removed at the end. */
  readonly isSweeping: boolean;
  /** Live changes after this revision win. */
  readonly baseRevision: number;
  /** At most so many; 0 for no limit. */
  readonly identitiesPerSecond: number;
  /** Where the next page begins; null at the beginning. */
  readonly cursor: string | null;
  readonly hasReadAll: boolean;
  readonly identitiesRead: number;
  readonly identitiesChanged: number;
  readonly identitiesSwept: number;
  readonly rowsSkipped: number;
  /** Skipped rows whose identity nobody knows. */
  readonly rowsUnidentified: number;
  /** How much of `total` is read; null where that is not known. */
  readonly position: number | null;
  readonly total: number | null;
  readonly unit: '' | SourceSize['unit'];
  /** An ErrorReason where it failed or was cancelled; else ''. */
  readonly errorReason: string;
  readonly errorExplanation: string;
  readonly requestedBy: string;
  /** How often it went on after a failure or another process's end. */
  readonly resumed: number;
  readonly startedAt: Date;
  /** When the process that runs it, or ran it last, took it up; null where none did. */
  readonly takenUpAt: Date | null;
  /** `identitiesRead` and `position` as they were then. */
  readonly readBefore: number;
  readonly positionBefore: number;
  readonly updatedAt: Date;
  readonly finishedAt: Date | null;
}

/** What a backfill begins with. */
export type NewBackfill = Pick<
  Backfill,
  | 'environmentId'
  | 'source'
  | 'sourceName'
  | 'isFirst'
  | 'isSweeping'
  | 'baseRevision'
  | 'identitiesPerSecond'
  | 'requestedBy'
>;

/** How far a page brings a backfill. */
export interface PageProgress {
  /** Undefined leaves it where it is. */
  readonly cursor: string | undefined;
  readonly position: number | undefined;
  readonly identitiesRead: number;
  readonly identitiesChanged: number;
  readonly skipped: readonly SkippedRow[];
}

/** Skipped rows that are kept of a backfill. */
const MAX_KEPT_SKIPPED = 100;

const columns = (sql: Sql) => sql`
  backfill.id, environment_id as "environmentId", backfill.source, source_name as "sourceName", backfill.state, is_first as "isFirst",
  is_sweeping as "isSweeping", base_revision as "baseRevision", identities_per_second as "identitiesPerSecond", cursor,
  has_read_all as "hasReadAll", identities_read as "identitiesRead", identities_changed as "identitiesChanged",
  identities_swept as "identitiesSwept", rows_skipped as "rowsSkipped", rows_unidentified as "rowsUnidentified", position, total, unit,
  error_reason as "errorReason", error_explanation as "errorExplanation", requested_by as "requestedBy", resumed,
  started_at as "startedAt", taken_up_at as "takenUpAt", read_before as "readBefore", position_before as "positionBefore", updated_at as "updatedAt", finished_at as "finishedAt"`;

const until = (sql: Sql, leaseMs: number) => sql`now() + ${leaseMs} * interval '1 millisecond'`;

/** Under the environment's head. There must be no active one. */
export async function insertBackfill(sql: Sql, begin: NewBackfill): Promise<Backfill> {
  const [row] = await sql<Backfill[]>`
    insert into backfill (environment_id, source, source_name, state, is_first, is_sweeping, base_revision, identities_per_second, requested_by)
    values (${begin.environmentId}, ${begin.source}, ${begin.sourceName}, 'running', ${begin.isFirst}, ${begin.isSweeping},
            ${begin.baseRevision}, ${begin.identitiesPerSecond}, ${begin.requestedBy})
    returning ${columns(sql)}`;
  if (row === undefined) throw new RangeError('an insert gave no row');
  return row;
}

/** Lets a failed backfill run again, from its cursor. Undefined where it is not failed. */
export async function resumeBackfill(
  sql: Sql,
  id: number,
  how: Pick<Backfill, 'identitiesPerSecond' | 'requestedBy' | 'sourceName' | 'isFirst'>,
): Promise<Backfill | undefined> {
  const [row] = await sql<Backfill[]>`
    update backfill set state = 'running', resumed = resumed + 1, error_reason = '', error_explanation = '', is_first = ${how.isFirst},
      identities_per_second = ${how.identitiesPerSecond}, requested_by = ${how.requestedBy}, source_name = ${how.sourceName},
      lease_owner = '', lease_until = '-infinity', updated_at = now(), finished_at = null
    where id = ${id} and state = 'failed' returning ${columns(sql)}`;
  return row;
}

/** The backfill with this id. */
export async function findBackfill(sql: Sql, environmentId: number, id: number): Promise<Backfill | undefined> {
  const [row] = await sql<
    Backfill[]
  >`select ${columns(sql)} from backfill where id = ${id} and environment_id = ${environmentId}`;
  return row;
}

/** The newest backfill of an environment: the active one where there is one. */
export async function newestBackfill(sql: Sql, environmentId: number): Promise<Backfill | undefined> {
  const [row] = await listBackfills(sql, environmentId, undefined, 1);
  return row;
}

/** How far into this source the last backfill that read all of it came. */
export async function lastPosition(
  sql: Sql,
  environmentId: number,
  source: BackfillSource,
): Promise<number | undefined> {
  const [row] = await sql<{ position: number | null }[]>`
    select position from backfill where environment_id = ${environmentId} and source = ${source} and state = 'done'
    order by environment_id desc, id desc limit 1`;
  return row?.position ?? undefined;
}

/** The backfills of an environment with ids below `beforeId`, the newest first, at most `limit`. */
export async function listBackfills(
  sql: Sql,
  environmentId: number,
  beforeId: number | undefined,
  limit: number,
): Promise<Backfill[]> {
  return sql<Backfill[]>`
    select ${columns(sql)} from backfill where environment_id = ${environmentId} and id < ${beforeId ?? Number.MAX_SAFE_INTEGER}
    order by environment_id desc, id desc limit ${limit}`;
}

/** The backfill of an environment that runs or has failed. */
export async function findActiveBackfill(sql: Sql, environmentId: number): Promise<Backfill | undefined> {
  const [row] = await sql<
    Backfill[]
  >`select ${columns(sql)} from backfill where environment_id = ${environmentId} and state in ('running', 'failed')`;
  return row;
}

/** The first rows that a backfill skipped, in the order in which it came to them. */
export async function readSkippedRows(
  sql: Sql,
  backfillId: number,
  limit: number,
): Promise<Omit<SkippedRow, 'environmentKey'>[]> {
  return sql<(Omit<SkippedRow, 'environmentKey'> & { reason: ErrorReason })[]>`
    select place as "where", identifier, reason, explanation from backfill_skipped_row where backfill_id = ${backfillId}
    order by number limit ${limit}`;
}

/** Takes the lease of a running backfill that nobody holds, or renews the owner's. Undefined where it does not run or another holds it. */
export async function leaseBackfill(
  sql: Sql,
  id: number,
  owner: string,
  leaseMs: number,
): Promise<Backfill | undefined> {
  const [row] = await sql<Backfill[]>`
    update backfill set lease_owner = ${owner}, lease_until = ${until(sql, leaseMs)},
      taken_up_at = case when lease_until < now() then now() else taken_up_at end,
      read_before = case when lease_until < now() then identities_read else read_before end,
      position_before = case when lease_until < now() then coalesce(position, 0) else position_before end,
      resumed = resumed + case when lease_owner in ('', ${owner}) then 0 else 1 end
    where id = ${id} and state = 'running' and (lease_until < now() or lease_owner = ${owner}) returning ${columns(sql)}`;
  return row;
}

/** Renews a lease; false where it was lost or the backfill ended. */
export async function renewLease(sql: Sql, id: number, owner: string, leaseMs: number): Promise<boolean> {
  const { count } = await sql`
    update backfill set lease_until = ${until(sql, leaseMs)} where id = ${id} and state = 'running' and lease_owner = ${owner}`;
  return count === 1;
}

/** Gives a lease up, if the owner has it: others need not wait for its end. */
export async function releaseBackfill(sql: Sql, id: number, owner: string): Promise<void> {
  await sql`
    update backfill set lease_until = '-infinity' where id = ${id} and state = 'running' and lease_owner = ${owner}`;
}

/** Notes what is known of the source as reading begins. False where the lease is lost. */
export async function noteSource(
  sql: Sql,
  id: number,
  owner: string,
  { name, size }: { readonly name: string; readonly size: SourceSize | undefined },
): Promise<boolean> {
  const { count } = await sql`
    update backfill set source_name = ${name}, total = ${size?.total ?? null}, unit = ${size?.unit ?? ''}
    where id = ${id} and state = 'running' and lease_owner = ${owner}`;
  return count === 1;
}

/** Notes a page, with the transaction that applied it, and renews the lease. False where that is lost. */
export async function notePage(
  sql: Sql,
  backfill: Pick<Backfill, 'id'>,
  owner: string,
  leaseMs: number,
  page: PageProgress,
): Promise<boolean> {
  const unidentified = page.skipped.filter(({ identifier }) => identifier === '').length;
  const [row] = await sql<{ before: number }[]>`
    update backfill set cursor = coalesce(${page.cursor ?? null}::text, cursor), position = coalesce(${page.position ?? null}::bigint, position),
      identities_read = identities_read + ${page.identitiesRead}, identities_changed = identities_changed + ${page.identitiesChanged},
      rows_skipped = rows_skipped + ${page.skipped.length}, rows_unidentified = rows_unidentified + ${unidentified},
      lease_until = ${until(sql, leaseMs)}, updated_at = now()
    where id = ${backfill.id} and state = 'running' and lease_owner = ${owner}
    returning rows_skipped - ${page.skipped.length} as before`;
  if (row === undefined) return false;
  await insertSkippedRows(sql, backfill.id, row.before, page.skipped);
  return true;
}

async function insertSkippedRows(
  sql: Sql,
  backfillId: number,
  before: number,
  skipped: readonly SkippedRow[],
): Promise<void> {
  const kept = skipped.slice(0, Math.max(0, MAX_KEPT_SKIPPED - before));
  if (kept.length === 0) return;
  const texts = (textOf: (row: SkippedRow) => string) => sql.array(kept.map(textOf), TEXT_ARRAY);
  await sql`
    insert into backfill_skipped_row (backfill_id, number, place, identifier, reason, explanation)
    select ${backfillId}, ${before} + number, place, identifier, reason, explanation from unnest(
      ${texts(({ where }) => where)}::text[], ${texts(({ identifier }) => identifier)}::text[],
      ${texts(({ reason }) => reason)}::text[], ${texts(({ explanation }) => explanation)}::text[])
      with ordinality as skipped (place, identifier, reason, explanation, number)`;
}

/** Everything is read; false where the lease is lost. */
export async function noteAllRead(sql: Sql, id: number, owner: string, leaseMs: number): Promise<boolean> {
  const { count } = await sql`
    update backfill set has_read_all = true, lease_until = ${until(sql, leaseMs)}, updated_at = now()
    where id = ${id} and state = 'running' and lease_owner = ${owner}`;
  return count === 1;
}

/** Notes identities that were swept, with the transaction that removed them. False where the lease is lost. */
export async function noteSwept(sql: Sql, id: number, owner: string, leaseMs: number, swept: number): Promise<boolean> {
  const { count } = await sql`
    update backfill set identities_swept = identities_swept + ${swept}, lease_until = ${until(sql, leaseMs)}, updated_at = now()
    where id = ${id} and state = 'running' and lease_owner = ${owner}`;
  return count === 1;
}

/** How a backfill ends. */
export interface BackfillEnd {
  readonly state: 'done' | 'failed' | 'cancelled';
  readonly errorReason: ErrorReason | '';
  readonly errorExplanation: string;
}

/**
 * Ends a running backfill whose lease `owner` holds; without an owner, one that runs or has failed, whoever holds it. Undefined where it has ended otherwise.
 */
export async function endBackfill(
  sql: Sql,
  id: number,
  owner: string | undefined,
  { state, errorReason, errorExplanation }: BackfillEnd,
): Promise<Backfill | undefined> {
  const isOurs =
    owner === undefined ? sql`state in ('running', 'failed')` : sql`state = 'running' and lease_owner = ${owner}`;
  const [row] = await sql<Backfill[]>`
    update backfill set state = ${state}, error_reason = ${errorReason}, error_explanation = ${errorExplanation},
      lease_owner = '', lease_until = '-infinity', updated_at = now(), finished_at = now()
    where id = ${id} and ${isOurs} returning ${columns(sql)}`;
  return row;
}
