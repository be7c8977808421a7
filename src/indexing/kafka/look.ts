import { askDatabase, type Database } from '../../storage/database.js';
import { type PartitionRow, raiseWatermarks } from '../../storage/kafka-offsets.js';
import type { FeedOptions } from './feed-options.js';
import { type FeedPlace, readAllRanges, readStands } from './find-places.js';
import type { Admin } from './kafka-client.js';
import type { PartitionProgress } from './partition-progress.js';
import type { Partitions } from './partitions.js';
import type { Range } from './positioning.js';

/** What looking after the feed needs of the session. */
export interface LookContext {
  readonly database: Database;
  readonly place: FeedPlace;
  readonly options: FeedOptions;
  readonly partitions: Partitions;
  readonly admin: Admin;
}

/** A partition that nobody has is looked after by whoever sees that nobody does. */
const FORSAKEN_AFTER_MS = 3_000;

/**
 * Asks the broker how far the topics reach and Postgres how far they are applied. What is applied to its end reflects the source as of the moment at which
 * the broker was asked: that raises its watermark, whoever's partition it is. Those of our running partitions that seem to be out of the broker's range.
 */
export async function look(
  { database, place, options, partitions, admin }: LookContext,
  topics: readonly string[],
): Promise<readonly PartitionProgress[]> {
  const askedAtMs = Date.now();
  const ranges = await readAllRanges(admin, topics);
  const stands = await readStands(database, place, options, ranges);
  const idle: PartitionRow[] = [];
  const suspects: PartitionProgress[] = [];
  for (const stand of stands) {
    const progress = partitions.get(stand.topic, stand.partition);
    const range = ranges.get(stand.topic)?.find(({ partition }) => partition === stand.partition);
    note(progress, stand, range);
    if (range === undefined) continue;
    const reached =
      progress.isAssigned && progress.nextOffset === stand.nextOffset ? progress.reached : stand.nextOffset;
    const isOurs = progress.isAssigned || askedAtMs - (stand.watermarkMs ?? 0) > FORSAKEN_AFTER_MS;
    if (reached >= range.high && isOurs) idle.push({ ...stand, watermarkMs: askedAtMs });
    const isOut = reached < range.low || reached > range.high;
    if (isOut && progress.isAssigned && progress.state === 'running') suspects.push(progress);
  }
  await askDatabase(database, (sql) => raiseWatermarks(sql, place.cluster, idle, askedAtMs));
  for (const { topic, partition } of idle) partitions.get(topic, partition).watermarkMs = askedAtMs;
  return suspects;
}

function note(progress: PartitionProgress, stand: PartitionRow, range: Range | undefined): void {
  progress.low = range?.low;
  progress.high = range?.high;
  progress.watermarkMs = stand.watermarkMs ?? undefined;
  if (progress.isAssigned) return;
  progress.nextOffset = stand.nextOffset;
  progress.reached = stand.nextOffset;
  progress.owner = stand.owner;
  progress.reason = stand.stoppedReason;
  progress.state = stand.stoppedReason === '' ? 'elsewhere' : 'stopped';
}
