import { RollcallError } from '../core/errors.js';
import type { Sql } from './database.js';
import { INT8_ARRAY, TEXT_ARRAY } from './environments.js';
import { storedIdentifier } from './identities.js';
import type { Place } from './kafka-offsets.js';

/** An identity as table capture brought it. Traits are texts of JSON objects. */
export interface IdentityCapture {
  readonly id: number;
  readonly environmentKey: string;
  readonly identifier: string;
  readonly systemTraits: string;
  readonly hiddenTraits: string;
}

/** A captured row that waits: an identity's has the environment (the source's id) and the identifier that it puts it in, a trait's neither. */
export interface WaitingCapture {
  readonly offset: number;
  readonly identityId: number;
  readonly wants: { readonly environmentId: number; readonly identifier: string } | undefined;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
}

/** What a batch makes of the captured state of its partition. */
export interface CaptureWrites {
  /** The source's id and the key. */
  readonly environments: ReadonlyMap<number, string>;
  readonly removedEnvironments: readonly number[];
  readonly identities: readonly IdentityCapture[];
  readonly removedIdentities: readonly number[];
  readonly waiting: readonly WaitingCapture[];
  readonly released: readonly Pick<WaitingCapture, 'offset' | 'identityId'>[];
}

/** Rows of one insert: a statement has at most 65,535 parameters. */
const ROWS_PER_INSERT = 500;

const isAt = (sql: Sql, { cluster, topic, partition }: Place) =>
  sql`cluster = ${cluster} and topic = ${topic} and partition = ${partition}`;

const captureColumns = (sql: Sql) => sql`
  id, environment_key as "environmentKey", coalesce(long_identifier, identifier) as identifier,
  system_traits::text as "systemTraits", hidden_traits::text as "hiddenTraits"`;

/** The keys of those of the environments that are known, by the source's ids. */
export async function readCapturedEnvironments(sql: Sql, ids: readonly number[]): Promise<Map<number, string>> {
  const rows = await sql<{ id: number; key: string }[]>`
    select source_id as id, environment_key as key from captured_environment where source_id = any(${ints(sql, ids)})`;
  return new Map(rows.map(({ id, key }) => [id, key]));
}

/** Those of the identities that are known. */
export async function readCapturedIdentities(sql: Sql, ids: readonly number[]): Promise<IdentityCapture[]> {
  return sql<IdentityCapture[]>`
    select ${captureColumns(sql)} from captured_identity where id = any(${ints(sql, ids)})`;
}

/** The ids of the captured identities that hold any of the identifiers, in whatever environment. */
export async function readHolders(
  sql: Sql,
  environmentKeys: readonly string[],
  identifiers: readonly string[],
): Promise<Pick<IdentityCapture, 'id' | 'environmentKey' | 'identifier'>[]> {
  return sql<Pick<IdentityCapture, 'id' | 'environmentKey' | 'identifier'>[]>`
    select id, environment_key as "environmentKey", coalesce(long_identifier, identifier) as identifier from captured_identity
    where environment_key = any(${texts(sql, environmentKeys)})
      and identifier = any(${texts(sql, identifiers.map(storedIdentifier))})`;
}

/** The traits of the captured identities that have these ids, as they are stored in their environments, by id. */
export async function readCapturedTraits(sql: Sql, ids: readonly number[]): Promise<Map<number, string>> {
  const rows = await sql<{ id: number; traits: string }[]>`
    select captured.id, identity.traits::text as traits from captured_identity captured
    join environment on environment.key = captured.environment_key and environment.deleted_at is null
    join identity on identity.environment_id = environment.id and identity.id = captured.id and identity.deleted_revision is null
    where captured.id = any(${ints(sql, ids)})`;
  return new Map(rows.map(({ id, traits }) => [id, traits]));
}

/** The rows of a partition that wait for these identities or bring them, by offset. */
export async function readWaiting(sql: Sql, place: Place, identityIds: readonly number[]): Promise<WaitingCapture[]> {
  const rows = await sql<
    (Omit<WaitingCapture, 'wants'> & { environmentId: number | null; identifier: string | null })[]
  >`
    select message_offset as "offset", identity_id as "identityId", environment_id as "environmentId", identifier,
      message_key as key, message_value as value, (extract(epoch from message_at) * 1000)::float8 as "timestampMs"
    from waiting_capture where ${isAt(sql, place)} and identity_id = any(${ints(sql, identityIds)}) order by message_offset`;
  return rows.map(({ environmentId, identifier, ...row }) => ({
    ...row,
    wants: environmentId === null || identifier === null ? undefined : { environmentId, identifier },
  }));
}

/** At most `limit` identities of a partition of whose waiting rows one can go: its environment is known and its identifier is not another's. By offset. */
export async function readReleasable(sql: Sql, place: Place, limit: number): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select waiting.identity_id as id, min(waiting.message_offset) from captured_environment known
    join waiting_capture waiting on waiting.environment_id = known.source_id
    where ${isAt(sql, place)}
      and not exists (
        select from captured_identity holder
        where holder.environment_key = known.environment_key and holder.identifier = waiting.identifier
          and holder.id <> waiting.identity_id)
    group by waiting.identity_id order by 2 limit ${limit}`;
  return rows.map(({ id }) => id);
}

/**
 * Writes what a batch made of the captured state, in the transaction that moves the partition on (I2). Throws CONFLICT where another partition's batch gave
 * an identifier away meanwhile, or rows that waited are gone.
 */
export async function writeCaptures(tx: Sql, place: Place, writes: CaptureWrites): Promise<void> {
  await writeEnvironments(tx, writes);
  await writeIdentities(tx, writes);
  await writeWaiting(tx, place, writes);
}

/** Forgets what is left of the captured identities of deleted environments with this key: they are not those of one that now takes it. */
export async function forgetCaptures(tx: Sql, environmentKey: string): Promise<void> {
  await tx`
    delete from captured_identity where environment_key = ${environmentKey}
      and exists (select from environment where key = ${environmentKey} and deleted_at is not null)`;
}

/** Whether any captured row waits for another. */
export async function isAnyCaptureWaiting(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ isAny: boolean }[]>`select exists (select from waiting_capture) as "isAny"`;
  return row?.isAny === true;
}

/** Removes at most `limit` waiting rows older than the retention, the oldest first; how many. What they wait for is not expected any more. */
export async function expireWaitingCaptures(sql: Sql, retentionMs: number, limit: number): Promise<number> {
  const { count } = await sql`
    delete from waiting_capture where (cluster, topic, partition, identity_id, message_offset) in (
      select cluster, topic, partition, identity_id, message_offset from waiting_capture
      where message_at < now() - ${retentionMs} * interval '1 millisecond' order by message_at limit ${limit})`;
  return count;
}

async function writeEnvironments(tx: Sql, { environments, removedEnvironments }: CaptureWrites): Promise<void> {
  if (removedEnvironments.length > 0)
    await tx`delete from captured_environment where source_id = any(${ints(tx, removedEnvironments)})`;
  if (environments.size === 0) return;
  await tx`
    insert into captured_environment (source_id, environment_key)
    select * from unnest(${ints(tx, [...environments.keys()])}::bigint[], ${texts(tx, [...environments.values()])}::text[])
    on conflict (source_id) do update set environment_key = excluded.environment_key`;
}

/** All rows go before any comes: one may take the identifier that another gives up. */
async function writeIdentities(tx: Sql, { identities, removedIdentities }: CaptureWrites): Promise<void> {
  const ids = [...removedIdentities, ...identities.map(({ id }) => id)];
  if (ids.length > 0) await tx`delete from captured_identity where id = any(${ints(tx, ids)})`;
  if (identities.length === 0) return;
  const column = (valueOf: (identity: IdentityCapture) => string) => texts(tx, identities.map(valueOf));
  const { count } = await tx`
    insert into captured_identity (id, environment_key, identifier, long_identifier, system_traits, hidden_traits)
    select id, environment_key, identifier, case when whole <> identifier then whole end, system_traits, hidden_traits from unnest(
      ${ints(
        tx,
        identities.map(({ id }) => id),
      )}::bigint[],
      ${column(({ environmentKey }) => environmentKey)}::text[],
      ${column(({ identifier }) => storedIdentifier(identifier))}::text[],
      ${column(({ identifier }) => identifier)}::text[],
      ${column(({ systemTraits }) => systemTraits)}::jsonb[],
      ${column(({ hiddenTraits }) => hiddenTraits)}::jsonb[]) as captured (id, environment_key, identifier, whole, system_traits, hidden_traits)
    on conflict do nothing`;
  if (count < identities.length)
    throw new RollcallError('CONFLICT', 'an identifier was given to another captured identity at the same time');
}

async function writeWaiting(tx: Sql, place: Place, { waiting, released }: CaptureWrites): Promise<void> {
  if (released.length > 0) {
    const identityIds = ints(
      tx,
      released.map(({ identityId }) => identityId),
    );
    const offsets = ints(
      tx,
      released.map(({ offset }) => offset),
    );
    const { count } = await tx`
      delete from waiting_capture using unnest(${identityIds}::bigint[], ${offsets}::bigint[]) as released (id, at)
      where ${isAt(tx, place)} and identity_id = released.id and message_offset = released.at`;
    if (count < released.length) throw new RollcallError('CONFLICT', 'rows that waited were released at the same time');
  }
  const rows = waiting.map((row) => waitingRow(place, row));
  for (let from = 0; from < rows.length; from += ROWS_PER_INSERT)
    await tx`insert into waiting_capture ${tx(rows.slice(from, from + ROWS_PER_INSERT))} on conflict do nothing`;
}

function waitingRow({ cluster, topic, partition }: Place, row: WaitingCapture) {
  return {
    cluster,
    topic,
    partition,
    message_offset: row.offset,
    identity_id: row.identityId,
    environment_id: row.wants?.environmentId ?? null,
    identifier: row.wants === undefined ? null : storedIdentifier(row.wants.identifier),
    message_key: row.key,
    message_value: row.value,
    message_at: new Date(row.timestampMs),
  };
}

function ints(sql: Sql, values: readonly number[]) {
  return sql.array([...values], INT8_ARRAY);
}

function texts(sql: Sql, values: readonly string[]) {
  return sql.array([...values], TEXT_ARRAY);
}
