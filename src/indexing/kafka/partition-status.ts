import type { PartitionStatus } from './feed-status.js';
import type { PartitionProgress } from './partition-progress.js';

/** What is shown of a partition. */
export function partitionStatus(progress: PartitionProgress): PartitionStatus {
  const { place, nextOffset, reached, high, watermarkMs, messagesApplied, deadLettered } = progress;
  const lagMessages = high === undefined ? undefined : Math.max(0, high - reached);
  return {
    topic: place.topic,
    partition: place.partition,
    state: progress.state,
    reason: progress.reason,
    isAssignedHere: progress.isAssigned,
    owner: progress.owner,
    nextOffset,
    highWatermark: high,
    lagMessages,
    lagSeconds: lagSeconds(lagMessages, watermarkMs),
    watermarkMs,
    messagesApplied,
    deadLettered,
  };
}

function lagSeconds(lagMessages: number | undefined, watermarkMs: number | undefined): number | undefined {
  if (lagMessages === 0) return 0;
  return watermarkMs === undefined ? undefined : Math.max(0, (Date.now() - watermarkMs) / 1000);
}
