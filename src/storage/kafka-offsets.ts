import type { Sql } from './database.js';
import { INT8_ARRAY, TEXT_ARRAY } from './environments.js';

/** A partition of a topic of one cluster: another cluster's offsets mean nothing here. */
export interface Place {
  readonly cluster: string;
  readonly topic: string;
  readonly partition: number;
}

/** How far a partition is applied. */
export interface PartitionRow {
  readonly topic: string;
  readonly partition: number;
  /** The consumer group that applies it; '' where none does any more. */
  readonly feed: string;
  readonly nextOffset: number;
  /** Unix milliseconds: what the partition held up to then is applied; null where nothing is. */
  readonly watermarkMs: number | null;
  /** '' where it does not stand still. */
  readonly stoppedReason: string;
  /** The process that last wrote the row. */
  readonly owner: string;
}

/** A step of a partition, good only where it still stands at `expected`. Without a watermark that stays as it is. */
export interface Step {
  readonly place: Place;
  readonly expected: number;
  readonly next: number;
  readonly watermarkMs: number | undefined;
  readonly owner: string;
}

/** The partitions of some topics that were ever seen, by topic and number. */
export async function readPartitions(sql: Sql, cluster: string, topics: readonly string[]): Promise<PartitionRow[]> {
  return sql<PartitionRow[]>`
    select topic, partition, feed, next_offset as "nextOffset", stopped_reason as "stoppedReason", owner,
      case when watermark > '-infinity' then (extract(epoch from watermark) * 1000)::float8 end as "watermarkMs"
    from kafka_offset where cluster = ${cluster} and topic = any(${sql.array([...topics], TEXT_ARRAY)})
    order by topic, partition`;
}

/** The next message to apply of a partition; undefined where it was never seen. */
export async function readNextOffset(sql: Sql, place: Place): Promise<number | undefined> {
  const [row] = await sql<{ nextOffset: number }[]>`
    select next_offset as "nextOffset" from kafka_offset
    where cluster = ${place.cluster} and topic = ${place.topic} and partition = ${place.partition}`;
  return row?.nextOffset;
}

/** The same, and keeps every owner from moving the partition on until the transaction ends. After all heads. */
export async function holdPartition(tx: Sql, place: Place): Promise<number | undefined> {
  const [row] = await tx<{ nextOffset: number }[]>`
    select next_offset as "nextOffset" from kafka_offset
    where cluster = ${place.cluster} and topic = ${place.topic} and partition = ${place.partition} for update`;
  return row?.nextOffset;
}

/** Enters partitions into a feed; those that were never seen begin at `nextOffset`. */
export async function enterPartitions(
  sql: Sql,
  { cluster, feed, owner }: { readonly cluster: string; readonly feed: string; readonly owner: string },
  partitions: readonly { readonly topic: string; readonly partition: number; readonly nextOffset: number }[],
): Promise<void> {
  if (partitions.length === 0) return;
  await sql`
    insert into kafka_offset (cluster, topic, partition, feed, next_offset, owner)
    select ${cluster}, topic, partition, ${feed}, next_offset, ${owner} from unnest(
      ${sql.array(
        partitions.map(({ topic }) => topic),
        TEXT_ARRAY,
      )}::text[],
      ${partitionArray(sql, partitions)}::bigint[],
      ${sql.array(
        partitions.map(({ nextOffset }) => nextOffset),
        INT8_ARRAY,
      )}::bigint[]) as seen (topic, partition, next_offset)
    order by topic, partition
    on conflict (cluster, topic, partition) do update set feed = excluded.feed where kafka_offset.feed <> excluded.feed`;
}

/** Takes what a feed no longer reads out of it: other topics, and those of other clusters. Their offsets stay. */
export async function leavePartitions(
  sql: Sql,
  feed: string,
  cluster: string,
  topics: readonly string[],
): Promise<void> {
  await sql`
    update kafka_offset set feed = ''
    where feed = ${feed} and not (cluster = ${cluster} and topic = any(${sql.array([...topics], TEXT_ARRAY)}))`;
}

/** Moves a partition on, within the transaction of what it moves past (I2). False where another owner moved it before: nothing is changed (I7). */
export async function advancePartition(tx: Sql, { place, expected, next, watermarkMs, owner }: Step): Promise<boolean> {
  const rows = await tx`
    update kafka_offset
    set next_offset = ${next}, stopped_reason = '', owner = ${owner}, updated_at = now(),
        watermark = greatest(watermark, to_timestamp(${watermarkMs === undefined ? null : watermarkMs / 1000}))
    where cluster = ${place.cluster} and topic = ${place.topic} and partition = ${place.partition} and next_offset = ${expected}
    returning partition`;
  return rows.length > 0;
}

/**
 * Raises the watermarks of partitions that have nothing left to apply to `asOfMs`, when that was so. Those that stand elsewhere by now are left alone.
 */
export async function raiseWatermarks(
  sql: Sql,
  cluster: string,
  partitions: readonly { readonly topic: string; readonly partition: number; readonly nextOffset: number }[],
  asOfMs: number,
): Promise<void> {
  if (partitions.length === 0) return;
  await sql`
    update kafka_offset set watermark = to_timestamp(${asOfMs / 1000})
    from unnest(
      ${sql.array(
        partitions.map(({ topic }) => topic),
        TEXT_ARRAY,
      )}::text[],
      ${partitionArray(sql, partitions)}::bigint[],
      ${sql.array(
        partitions.map(({ nextOffset }) => nextOffset),
        INT8_ARRAY,
      )}::bigint[]) as idle (topic, partition, next_offset)
    where kafka_offset.cluster = ${cluster} and kafka_offset.topic = idle.topic and kafka_offset.partition = idle.partition
      and kafka_offset.next_offset = idle.next_offset and watermark < to_timestamp(${asOfMs / 1000})`;
}

/** Notes why a partition stands still; '' that it does not any more. */
export async function notePartitionStopped(sql: Sql, place: Place, reason: string): Promise<void> {
  await sql`
    update kafka_offset set stopped_reason = ${reason}, updated_at = now()
    where cluster = ${place.cluster} and topic = ${place.topic} and partition = ${place.partition} and stopped_reason <> ${reason}`;
}

function partitionArray(sql: Sql, partitions: readonly { readonly partition: number }[]) {
  return sql.array(
    partitions.map(({ partition }) => partition),
    INT8_ARRAY,
  );
}
