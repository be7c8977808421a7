import { RollcallError } from '../core/errors.js';
import type { EnvironmentSettings } from '../core/environment-settings.js';
import type { Sql } from './database.js';

export type OrdinalMode = 'given' | 'allotted';
/** Whether it answers. off: by its organisation's gate. loading, failed: it was never loaded whole. */
export type EnvironmentState = 'off' | 'loading' | 'ready' | 'failed';
/** Where its identities are loaded from; '' for nowhere: then they come by themselves. */
export type EnvironmentSource = '' | 'flagsmith' | 'dynamodb';

/** An environment as it is stored; `id` is Rollcall's own and never leaves it. */
export interface Environment extends EnvironmentSettings {
  readonly id: number;
  readonly key: string;
  readonly project: string;
  readonly organisation: string;
  readonly ordinalMode: OrdinalMode;
  readonly createdAt: Date;
  readonly source: EnvironmentSource;
  readonly state: EnvironmentState;
  /** Why it is off (`flag`, `denylist`) or failed (an ErrorReason); else ''. */
  readonly stateReason: string;
  /** Changes were passed over while it was off, or what was stored was purged, since it was last loaded whole. */
  readonly hasGap: boolean;
  /** When the last complete backfill began to read; null where there was none. */
  readonly loadedFrom: Date | null;
  /** The backfill that runs or can be resumed: while there is one, changes leave touches. */
  readonly backfillId: number | null;
  /** The settings before the present ones, the newest first, as long as some segment may be served by them. */
  readonly earlierSettings: readonly EnvironmentSettings[];
}

/** What an environment is created with. With a source it is loading until the first backfill is complete. */
export type NewEnvironment = Pick<
  Environment,
  'key' | 'name' | 'project' | 'organisation' | 'ordinalMode' | 'identityKeyMode'
> & { readonly source?: EnvironmentSource };

/** A revision of an environment, and the newest one at which its catalog changed. `committedAt` is the database's time. */
export interface Revision {
  readonly environmentId: number;
  readonly revision: number;
  readonly catalogRevision: number;
  readonly committedAt: Date;
}

/**
 * The clock of an environment: its newest revision. `readAt` is the database's time when the head was read:
 * whatever was committed before then is in it. `fedUpTo` is what the feed reached: everything that its topics held up to then is in it;
 * without a feed, when the last complete backfill began; null where there is neither.
 */
export interface Head extends Revision {
  readonly readAt: Date;
  readonly fedUpTo: Date | null;
}

const revisionColumns = (sql: Sql) => sql`
  environment_id as "environmentId", revision, catalog_revision as "catalogRevision", committed_at as "committedAt"`;

const headColumns = (sql: Sql) => sql`
  ${revisionColumns(sql)}, statement_timestamp() as "readAt",
  coalesce((select greatest(min(watermark), 'epoch') from kafka_offset where feed <> '' having count(*) > 0),
    (select loaded_from from environment where id = environment_id)) as "fedUpTo"`;

const columns = (sql: Sql) => sql`
  id, key, name, project, organisation, ordinal_mode as "ordinalMode", identity_key_mode as "identityKeyMode",
  created_at as "createdAt", source, state, state_reason as "stateReason", has_gap as "hasGap", loaded_from as "loadedFrom",
  backfill_id as "backfillId", earlier_settings as "earlierSettings"`;

/** Creates an environment at revision 0. Throws ENVIRONMENT_EXISTS. */
export async function insertEnvironment(sql: Sql, environment: NewEnvironment): Promise<Environment> {
  const { source = '' } = environment;
  const [row] = await sql<Environment[]>`
    insert into environment (key, name, project, organisation, ordinal_mode, identity_key_mode, source, state)
    values (${environment.key}, ${environment.name}, ${environment.project}, ${environment.organisation},
            ${environment.ordinalMode}, ${environment.identityKeyMode}, ${source}, ${source === '' ? 'ready' : 'loading'})
    on conflict (key) where deleted_at is null do nothing
    returning ${columns(sql)}`;
  if (row === undefined) {
    throw new RollcallError('ENVIRONMENT_EXISTS', `the environment '${environment.key}' exists already`, {
      metadata: { environment: environment.key },
    });
  }
  await sql`insert into environment_head (environment_id) values (${row.id})`;
  return row;
}

/** The live environment with this key; undefined where there is none. */
export async function findEnvironment(sql: Sql, key: string): Promise<Environment | undefined> {
  const [row] = await sql<
    Environment[]
  >`select ${columns(sql)} from environment where key = ${key} and deleted_at is null`;
  return row;
}

/** The live environment with this id; undefined where there is none. */
export async function findEnvironmentById(sql: Sql, id: number): Promise<Environment | undefined> {
  const [row] = await sql<
    Environment[]
  >`select ${columns(sql)} from environment where id = ${id} and deleted_at is null`;
  return row;
}

/** An environment as it was at a catalog revision: what was written by later ones is not in it. */
export interface EnvironmentAsOf extends Environment {
  readonly catalogRevision: number;
}

/** The live environments with these keys, by id. */
export async function findEnvironments(sql: Sql, keys: readonly string[]): Promise<EnvironmentAsOf[]> {
  return sql<EnvironmentAsOf[]>`
    select ${columns(sql)}, (select catalog_revision from environment_head where environment_id = environment.id) as "catalogRevision"
    from environment where key = any(${sql.array([...keys], TEXT_ARRAY)}) and deleted_at is null order by id`;
}

/** Live environments by key, after `afterKey`, at most `limit`; only those of `project` unless it is ''. */
export async function listEnvironments(
  sql: Sql,
  afterKey: string,
  limit: number,
  project = '',
): Promise<Environment[]> {
  const isOfProject = project === '' ? sql`` : sql`and project = ${project}`;
  return sql<Environment[]>`
    select ${columns(sql)} from environment where deleted_at is null and key > ${afterKey} ${isOfProject} order by key limit ${limit}`;
}

/** The live environments of a project, by id. */
export async function environmentsOfProject(sql: Sql, project: string): Promise<Environment[]> {
  return sql<
    Environment[]
  >`select ${columns(sql)} from environment where project = ${project} and deleted_at is null order by id`;
}

/** The live environments of an organisation, by id. */
export async function environmentsOfOrganisation(sql: Sql, organisation: string): Promise<Environment[]> {
  return sql<
    Environment[]
  >`select ${columns(sql)} from environment where organisation = ${organisation} and deleted_at is null order by id`;
}

/** What may be changed of an environment that is there. */
export type ChangedEnvironment = EnvironmentSettings & Pick<Environment, 'source' | 'earlierSettings'>;

/** Changes an environment; undefined where it was deleted. The caller has taken a catalog revision. */
export async function writeEnvironment(
  sql: Sql,
  environmentId: number,
  { name, identityKeyMode, source, earlierSettings }: ChangedEnvironment,
): Promise<Environment | undefined> {
  const [row] = await sql<Environment[]>`
    update environment set name = ${name}, identity_key_mode = ${identityKeyMode}, source = ${source},
      earlier_settings = ${JSON.stringify(earlierSettings)}::text::jsonb
    where id = ${environmentId} and deleted_at is null returning ${columns(sql)}`;
  return row;
}

/** Nothing is served by earlier settings any more. */
export async function clearEarlierSettings(sql: Sql, environmentId: number): Promise<void> {
  await sql`update environment set earlier_settings = '[]' where id = ${environmentId}`;
}

/** Takes an environment out of every answer at once; its rows go later (`purgeEnvironment`). As it was; undefined where there is none. */
export async function markEnvironmentDeleted(sql: Sql, key: string): Promise<Environment | undefined> {
  const [row] = await sql<Environment[]>`
    update environment set deleted_at = now() where key = ${key} and deleted_at is null returning ${columns(sql)}`;
  return row;
}

/** Environments that were deleted and whose rows are not all gone yet. */
export async function deletedEnvironments(sql: Sql): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`select id from environment where deleted_at is not null order by id`;
  return rows.map(({ id }) => id);
}

/** Removes at most `limit` rows of a deleted environment from each table; true when nothing is left of it. Within a transaction. */
export async function purgeEnvironment(sql: Sql, environmentId: number, limit: number): Promise<boolean> {
  await sql`select from environment_head where environment_id = ${environmentId} for update`;
  const counts = [
    await sql`delete from identity where environment_id = ${environmentId} and id in (select id from identity where environment_id = ${environmentId} limit ${limit})`,
    await sql`delete from atom_log where environment_id = ${environmentId} and revision in (select revision from atom_log where environment_id = ${environmentId} limit ${limit})`,
    await sql`delete from atom_chunk where environment_id = ${environmentId} and (atom_id, chunk) in (select atom_id, chunk from atom_chunk where environment_id = ${environmentId} limit ${limit})`,
    await sql`delete from atom where environment_id = ${environmentId}`,
    await sql`delete from quarantined_identity where environment_id = ${environmentId} and identifier in (select identifier from quarantined_identity where environment_id = ${environmentId} limit ${limit})`,
    await sql`delete from backfill_touch where environment_id = ${environmentId} and identifier in (select identifier from backfill_touch where environment_id = ${environmentId} limit ${limit})`,
    await sql`delete from backfill_page where environment_id = ${environmentId} and (backfill_id, page) in (select backfill_id, page from backfill_page where environment_id = ${environmentId} limit ${limit})`,
    await purgeCaptures(sql, environmentId, limit),
  ];
  if (counts.some(({ count }) => count > 0)) return false;
  await sql`delete from backfill_skipped_row where backfill_id in (select id from backfill where environment_id = ${environmentId})`;
  await sql`delete from backfill where environment_id = ${environmentId}`;
  await sql`delete from environment where id = ${environmentId}`;
  return true;
}

/** What was captured for an environment, unless another has taken its key: that one keeps it. */
async function purgeCaptures(sql: Sql, environmentId: number, limit: number): Promise<{ readonly count: number }> {
  return sql`
    delete from captured_identity where id in (
      select captured_identity.id from environment join captured_identity on environment_key = key
      where environment.id = ${environmentId} and not exists (
        select from environment as live where live.key = environment.key and live.deleted_at is null)
      limit ${limit})`;
}

/** The head of an environment, not locked; undefined where it was deleted. */
export async function readHead(sql: Sql, environmentId: number): Promise<Head | undefined> {
  const [head] = await readHeads(sql, [environmentId]);
  return head;
}

/** The heads of live environments, not locked, in no order. */
export async function readHeads(sql: Sql, environmentIds: readonly number[]): Promise<Head[]> {
  return sql<Head[]>`
    select ${headColumns(sql)} from environment_head join environment on environment.id = environment_id and deleted_at is null
    where environment_id = any(${sql.array([...environmentIds], INT8_ARRAY)})`;
}

/** Postgres's type id of bigint[]. */
export const INT8_ARRAY = 1016;
/** Postgres's type id of text[]. */
export const TEXT_ARRAY = 1009;

/** The head after a revision was taken. `knownAt` is when the log says that the known revision was committed; null where the log has it no more, or never had. */
export interface TakenRevision extends Revision {
  readonly knownAt: Date | null;
}

/**
 * Takes the next revision and writes its log row: the only serial point of an environment. It waits for the revision before, so
 * revisions commit in order. With `changesCatalog` the catalog moves to this revision too. `known` is a revision that the caller saw committed.
 */
export async function takeRevision(
  sql: Sql,
  environmentId: number,
  payload: Uint8Array,
  changesCatalog: boolean,
  known = 0,
): Promise<TakenRevision> {
  const [head] = await sql<TakenRevision[]>`
    with head as (
      update environment_head
      set revision = revision + 1,
          catalog_revision = case when ${changesCatalog} then revision + 1 else catalog_revision end,
          committed_at = greatest(committed_at, clock_timestamp())
      where environment_id = ${environmentId}
      returning environment_id, revision, catalog_revision, committed_at
    ), logged as (
      insert into atom_log (environment_id, revision, committed_at, payload)
      select environment_id, revision, committed_at, ${Buffer.from(payload)}::bytea from head
    )
    select ${revisionColumns(sql)}, (select committed_at from atom_log where environment_id = ${environmentId} and revision = ${known}) as "knownAt" from head`;
  if (head === undefined) throw new RollcallError('ENVIRONMENT_NOT_FOUND', 'the environment was deleted');
  return head;
}

/** What `takeRevision` takes of one environment. */
export interface WantedRevision {
  readonly environmentId: number;
  readonly payload: Uint8Array;
  readonly known: number;
}

/** The same for several environments, that are in order of their ids and all different: that is how heads are locked. None moves a catalog. */
export async function takeRevisions(sql: Sql, wanted: readonly WantedRevision[]): Promise<TakenRevision[]> {
  const ids = sql.array(
    wanted.map(({ environmentId }) => environmentId),
    INT8_ARRAY,
  );
  await sql`select from environment_head where environment_id = any(${ids}) order by environment_id for no key update`;
  const heads = await sql<TakenRevision[]>`
    with wanted as (
      select environment_id, known, decode(payload, 'base64') as payload from unnest(
        ${ids}::bigint[],
        ${sql.array(
          wanted.map(({ known }) => known),
          INT8_ARRAY,
        )}::bigint[],
        ${sql.array(
          wanted.map(({ payload }) => Buffer.from(payload).toString('base64')),
          TEXT_ARRAY,
        )}::text[]) as wanted (environment_id, known, payload)
    ), head as (
      update environment_head set revision = revision + 1, committed_at = greatest(committed_at, clock_timestamp())
      where environment_id = any(${ids})
      returning environment_id, revision, catalog_revision, committed_at
    ), logged as (
      insert into atom_log (environment_id, revision, committed_at, payload)
      select environment_id, revision, committed_at, payload from head join wanted using (environment_id)
    )
    select ${revisionColumns(sql)}, (
      select logged.committed_at from atom_log as logged
      where logged.environment_id = wanted.environment_id and logged.revision = wanted.known) as "knownAt"
    from head join wanted using (environment_id) order by environment_id`;
  if (heads.length < wanted.length) throw new RollcallError('ENVIRONMENT_NOT_FOUND', 'an environment was deleted');
  return heads;
}

/** Replaces the payload of a revision that this transaction took and has not committed. */
export async function replacePayload(sql: Sql, head: Revision, payload: Uint8Array): Promise<void> {
  await sql`update atom_log set payload = ${Buffer.from(payload)}::bytea where environment_id = ${head.environmentId} and revision = ${head.revision}`;
}

/** Allots `count` consecutive ordinals, in a transaction of its own; the first of them. */
export async function allotOrdinals(sql: Sql, environmentId: number, count: number): Promise<number> {
  const [row] = await sql<{ first: number }[]>`
    update environment_head set next_ordinal = next_ordinal + ${count} where environment_id = ${environmentId}
    returning next_ordinal - ${count} as first`;
  if (row === undefined) throw new RollcallError('ENVIRONMENT_NOT_FOUND', 'the environment was deleted');
  return row.first;
}
