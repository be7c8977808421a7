import { askDatabase } from '../../storage/database.js';
import { readPartitions, type PartitionRow } from '../../storage/kafka-offsets.js';
import type { NewDeadLetter } from '../../storage/dead-letters.js';
import type { SliceWriter } from './apply-slice.js';
import type { FeedOptions } from './feed-options.js';
import type { EachBatchPayload } from './kafka-client.js';
import type { PartitionProgress } from './partition-progress.js';
import type { Range } from './positioning.js';
import { retryWhileOurs } from './retry-while-ours.js';

/** What taking batches needs of the session that fetches them. */
export interface BatchContext extends SliceWriter {
  readonly options: Pick<FeedOptions, 'batchChanges' | 'outOfRange' | 'log' | 'onApplied'>;
  /** Ends when the partitions of the newest assignment know where they stand; rejects where they could not find out. */
  readonly positioned: () => Promise<void>;
  readonly readRange: (progress: PartitionProgress) => Promise<Range>;
  /** Has the client fetch from `progress.reached`. */
  readonly seek: (progress: PartitionProgress) => void;
  readonly pause: (progress: PartitionProgress) => void;
  readonly onDeadLetters: (letters: readonly NewDeadLetter[]) => void;
}

/** A batch that is being taken: `signal` is aborted when no further transaction of it shall begin. */
export interface Taking {
  readonly context: BatchContext;
  readonly progress: PartitionProgress;
  readonly payload: EachBatchPayload;
  readonly signal: AbortSignal;
}

/** What Postgres says of the partition now; it is asked for as long as it takes. */
export async function readRow({ context, progress, signal }: Taking): Promise<PartitionRow | undefined> {
  const { cluster, topic, partition } = progress.place;
  const rows = await retryWhileOurs(progress, { log: context.options.log, signal }, () =>
    askDatabase(context.database, (sql) => readPartitions(sql, cluster, [topic])),
  );
  return rows.find((row) => row.partition === partition);
}
