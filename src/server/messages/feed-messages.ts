import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type FeedStatusSchema,
  FeedState as FeedStateMessage,
  type PartitionStatusSchema,
  PartitionState as PartitionStateMessage,
} from '../../gen/rollcall/v1/index_service_pb.js';
import type { FeedState, FeedStatus, PartitionState, PartitionStatus } from '../../indexing/kafka/feed-status.js';
import type { VisibilityDelay } from '../metrics/visibility-window.js';

const FEED_STATES = {
  off: FeedStateMessage.OFF,
  connecting: FeedStateMessage.CONNECTING,
  waiting: FeedStateMessage.WAITING,
  running: FeedStateMessage.RUNNING,
} satisfies Record<FeedState, FeedStateMessage>;

const PARTITION_STATES = {
  running: PartitionStateMessage.RUNNING,
  waiting: PartitionStateMessage.WAITING,
  stopped: PartitionStateMessage.STOPPED,
  elsewhere: PartitionStateMessage.ELSEWHERE,
} satisfies Record<PartitionState, PartitionStateMessage>;

/** The feed's status with what the database and the metrics know beside it. */
export function feedStatusMessage(
  status: FeedStatus,
  deadLetters: { readonly count: number; readonly newestAt: Date | null },
  visibility: VisibilityDelay,
): MessageInitShape<typeof FeedStatusSchema> {
  const { newestAt } = deadLetters;
  return {
    state: FEED_STATES[status.state],
    reason: status.reason,
    cluster: status.cluster,
    group: status.group,
    topics: [...status.topics],
    owner: status.owner,
    messagesPerSecond: status.messagesPerSecond,
    partitions: status.partitions.map(partitionMessage),
    deadLetters: {
      count: BigInt(deadLetters.count),
      ...(newestAt === null ? {} : { newestAt: timestampFromDate(newestAt) }),
    },
    visibility: {
      messages: BigInt(visibility.messages),
      p50Seconds: visibility.p50Ms / 1000,
      p99Seconds: visibility.p99Ms / 1000,
    },
  };
}

function partitionMessage(status: PartitionStatus): MessageInitShape<typeof PartitionStatusSchema> {
  const { nextOffset, highWatermark, lagMessages, lagSeconds, watermarkMs } = status;
  return {
    topic: status.topic,
    partition: status.partition,
    state: PARTITION_STATES[status.state],
    reason: status.reason,
    owner: status.owner,
    ...(nextOffset === undefined ? {} : { nextOffset: BigInt(nextOffset) }),
    ...(highWatermark === undefined ? {} : { highWatermark: BigInt(highWatermark) }),
    ...(lagMessages === undefined ? {} : { lagMessages: BigInt(lagMessages) }),
    ...(lagSeconds === undefined ? {} : { lagSeconds }),
    ...(watermarkMs === undefined ? {} : { watermark: timestampFromMs(watermarkMs) }),
    messagesApplied: BigInt(status.messagesApplied),
    deadLettered: BigInt(status.deadLettered),
  };
}
