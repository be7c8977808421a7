import { RollcallError } from '../../core/errors.js';
import { advancePartition, notePartitionStopped } from '../../storage/kafka-offsets.js';
import { askDatabase, type Database } from '../../storage/database.js';
import type { FeedOptions } from './feed-options.js';
import type { Admin } from './kafka-client.js';
import { checkRange, compareCommitted, type PartitionProgress, standAt } from './partition-progress.js';

/** What the broker has of a partition: the first message and one past the last. */
export interface Range {
  readonly partition: number;
  readonly low: number;
  readonly high: number;
}

/** What the broker has of a topic, by partition. */
export async function readRanges(admin: Admin, topic: string): Promise<Range[]> {
  const offsets = await admin.fetchTopicOffsets(topic);
  return offsets
    .map(({ partition, low, high }) => ({ partition, low: Number(low), high: Number(high) }))
    .sort((a, b) => a.partition - b.partition);
}

/** The offsets that a group committed to Kafka, by topic and partition as `topic/partition`; empty where they cannot be read: they are only a hint. */
export async function readCommitted(
  admin: Admin,
  group: string,
  topics: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const found = await admin.fetchOffsets({ groupId: group, topics: [...topics] }).catch(() => []);
  return new Map(
    found.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }): [string, number] => [`${topic}/${partition}`, Number(offset)]),
    ),
  );
}

/** Says where a partition goes on that was assigned here, and how what Kafka holds of it compares. */
export function tellPosition(
  { log }: Pick<FeedOptions, 'log'>,
  { place, nextOffset, low = 0, high }: PartitionProgress,
  committed: number | undefined,
): void {
  const comparison = compareCommitted(committed, nextOffset, low);
  log('info', { ...place, nextOffset, low, high, committed, kafkaIs: comparison }, 'a partition was assigned');
}

/**
 * Whether a partition can go on from where it stands. Out of the broker's range it goes by the policy: it is stopped with a reason, or moved.
 */
export async function settleRange(
  { database, owner }: { readonly database: Database; readonly owner: string },
  { outOfRange, log }: Pick<FeedOptions, 'outOfRange' | 'log'>,
  progress: PartitionProgress,
  { low, high }: Range,
): Promise<boolean> {
  progress.low = low;
  progress.high = high;
  const verdict = checkRange(progress.reached, low, high);
  if (verdict.kind === 'in range') return true;
  if (outOfRange === 'stop') {
    await stop(database, progress, verdict.reason);
    log('error', { ...progress.place, reason: verdict.reason }, 'a partition is stopped: its offset is out of range');
    return false;
  }
  const next = outOfRange === 'earliest' ? low : high;
  const { place, nextOffset: expected } = progress;
  const isMoved = await askDatabase(database, (sql) =>
    advancePartition(sql, { place, expected, next, watermarkMs: undefined, owner }),
  );
  if (!isMoved) throw new RollcallError('CONFLICT', 'another owner moved the partition meanwhile');
  standAt(progress, next);
  log(
    'warn',
    { ...place, from: expected, to: next, reason: verdict.reason },
    'a partition was out of range and goes on elsewhere',
  );
  return true;
}

/** Stops a partition until an operator has looked at it, visibly for every process. */
export async function stop(database: Database, progress: PartitionProgress, reason: string): Promise<void> {
  progress.state = 'stopped';
  progress.reason = reason;
  await askDatabase(database, (sql) => notePartitionStopped(sql, progress.place, reason));
}
