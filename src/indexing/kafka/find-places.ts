import { askDatabase, type Database } from '../../storage/database.js';
import { enterPartitions, notePartitionStopped, readPartitions } from '../../storage/kafka-offsets.js';
import type { FeedOptions } from './feed-options.js';
import type { Admin } from './kafka-client.js';
import { type PartitionProgress, standAt } from './partition-progress.js';
import { type Range, readCommitted, readRanges, settleRange, tellPosition } from './positioning.js';

/** The feed of one cluster and group, as this process sees it. */
export interface FeedPlace {
  readonly cluster: string;
  readonly group: string;
  readonly owner: string;
}

/** Reads where partitions stand; those that were never seen are entered into the feed first, at the start that is configured; those that were added to a topic, at their beginning. */
export async function readStands(
  database: Database,
  { cluster, group, owner }: FeedPlace,
  { start }: Pick<FeedOptions, 'start'>,
  ranges: ReadonlyMap<string, readonly Range[]>,
) {
  const topics = [...ranges.keys()];
  const seen = await askDatabase(database, (sql) => readPartitions(sql, cluster, topics));
  const isSeen = new Set(seen.map(({ topic, partition }) => `${topic}/${partition}`));
  const begun = new Set(seen.map(({ topic }) => topic));
  const unseen = [...ranges].flatMap(([topic, own]) =>
    own
      .filter(({ partition }) => !isSeen.has(`${topic}/${partition}`))
      .map(({ partition, low, high }) => ({
        topic,
        partition,
        nextOffset: start === 'earliest' || begun.has(topic) ? low : high,
      })),
  );
  const isOther = seen.some(({ feed }) => feed !== group);
  if (unseen.length === 0 && !isOther) return seen;
  return askDatabase(database, async (sql) => {
    await enterPartitions(sql, { cluster, feed: group, owner }, isOther ? [...seen, ...unseen] : unseen);
    return readPartitions(sql, cluster, topics);
  });
}

/** What the broker has of each topic. */
export async function readAllRanges(admin: Admin, topics: Iterable<string>): Promise<Map<string, Range[]>> {
  const ranges = new Map<string, Range[]>();
  for (const topic of topics) ranges.set(topic, await readRanges(admin, topic));
  return ranges;
}

/** What finding the places of an assignment needs of the session. */
export interface PositioningContext {
  readonly database: Database;
  readonly place: FeedPlace;
  readonly options: FeedOptions;
  readonly admin: () => Admin;
  readonly seek: (progress: PartitionProgress) => void;
  readonly pause: (progress: PartitionProgress) => void;
  readonly resume: (progress: PartitionProgress) => void;
  /** Aborted when the assignment is no longer the newest. */
  readonly signal: AbortSignal;
}

/** Finds where the assigned partitions of these topics go on, by Postgres, and has the client fetch from there; those out of range go by the policy. */
export async function positionAll(context: PositioningContext, assigned: readonly PartitionProgress[]): Promise<void> {
  const { database, place, options } = context;
  const topics = [...new Set(assigned.map((progress) => progress.place.topic))];
  if (topics.length === 0) return;
  const ranges = await readAllRanges(context.admin(), topics);
  const committed = await readCommitted(context.admin(), place.group, topics);
  const stands = await readStands(database, place, options, ranges);
  for (const progress of assigned) {
    const { topic, partition } = progress.place;
    if (context.signal.aborted) return;
    const stand = stands.find((row) => row.topic === topic && row.partition === partition);
    const range = ranges.get(topic)?.find((candidate) => candidate.partition === partition);
    // A partition that was added a moment ago: the next look finds it.
    if (stand === undefined || range === undefined) continue;
    standAt(progress, stand.nextOffset);
    progress.owner = stand.owner;
    progress.watermarkMs = stand.watermarkMs ?? undefined;
    if (!(await settleRange({ database, owner: place.owner }, options, progress, range))) {
      context.pause(progress);
      continue;
    }
    tellPosition(options, progress, committed.get(`${topic}/${partition}`));
    if (stand.stoppedReason !== '') await askDatabase(database, (sql) => notePartitionStopped(sql, progress.place, ''));
    progress.state = 'running';
    progress.reason = '';
    progress.isPositioned = true;
    context.seek(progress);
    context.resume(progress);
  }
}
