import type { AppliedBatch } from './feed-status.js';
import type { KafkaConnection } from './kafka-client.js';

/** What is done with a partition whose next message the broker does not have (any more, or yet). */
export type OutOfRangePolicy = 'stop' | 'earliest' | 'latest';

/** How the feed is read. */
export interface FeedOptions {
  readonly connection: Omit<KafkaConnection, 'onLog'>;
  readonly topics: readonly string[];
  readonly group: string;
  /** Where a partition begins that was never seen. */
  readonly start: 'earliest' | 'latest';
  readonly outOfRange: OutOfRangePolicy;
  /** Of a partition, in one fetch. */
  readonly maxBytes: number;
  /** Messages in one transaction, at most. */
  readonly batchChanges: number;
  readonly partitionsAtOnce: number;
  /** Where dead letters are sent to beside the database; undefined for nowhere. */
  readonly deadLetterTopic: string | undefined;
  readonly log: FeedLog;
  /** Told of each batch after its commit. */
  readonly onApplied: (batch: AppliedBatch) => void;
}

export type FeedLog = (level: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string) => void;
