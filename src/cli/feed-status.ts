import type { FeedStatus, PartitionStatus } from '../gen/rollcall/v1/index_service_pb.js';
import { FeedState, PartitionState } from '../gen/rollcall/v1/index_service_pb.js';
import type { CommandContext } from './context.js';
import { formatCount, formatDuration, formatThings, timeText } from './format.js';
import type { Json } from './json.js';
import { bold, dim, red } from './style.js';
import { formatTable, printable } from './table.js';

/** The Kafka feed for people; nothing where there never was one. */
export async function writeFeed({ output }: CommandContext, feed: FeedStatus): Promise<void> {
  const { state, reason, partitions, deadLetters, visibility } = feed;
  if (state !== FeedState.OFF || partitions.length > 0) {
    const why = reason === '' ? '' : `: ${printable(reason)}`;
    const topics = feed.topics.map(printable).join(', ');
    await output.line(
      `\n${bold('Kafka')} ${topics}, group ${printable(feed.group)}: ${FeedState[state].toLowerCase()}${why}`,
    );
    if (partitions.length > 0) await output.line(partitionTable(partitions));
    const rate = `${formatCount(Math.round(feed.messagesPerSecond))} messages/s here`;
    const delay =
      visibility === undefined || visibility.messages === 0n
        ? ''
        : `; event to visible p50 ${formatDuration(visibility.p50Seconds * 1000)}, p99 ${formatDuration(visibility.p99Seconds * 1000)}`;
    await output.line(dim(`${rate}${delay}`));
  }
  if (deadLetters === undefined || deadLetters.count === 0n) return;
  const newest = timeText(deadLetters.newestAt) ?? '';
  await output.line(
    red(`${formatThings(deadLetters.count, 'dead letter')}, the newest of ${newest}: rollcall dead-letters list`),
  );
}

export function feedJson(feed: FeedStatus): Json {
  const { reason, cluster, group, topics, owner, messagesPerSecond, deadLetters, visibility } = feed;
  return {
    state: FeedState[feed.state],
    reason,
    cluster,
    group,
    topics,
    owner,
    messagesPerSecond,
    partitions: feed.partitions.map(partitionJson),
    deadLetters: { count: deadLetters?.count ?? 0n, newestAt: timeText(deadLetters?.newestAt) },
    visibility: {
      messages: visibility?.messages ?? 0n,
      p50Seconds: visibility?.p50Seconds,
      p99Seconds: visibility?.p99Seconds,
    },
  };
}

function partitionTable(partitions: readonly PartitionStatus[]): string {
  const titles = ['topic', 'partition', 'state', 'next offset', 'lag', 'lag seconds', 'watermark', 'reason'];
  const columns = titles.map((title, index) => ({
    title,
    align: [1, 3, 4, 5].includes(index) ? ('right' as const) : ('left' as const),
  }));
  return formatTable(columns, partitions.map(partitionRow));
}

function partitionRow(status: PartitionStatus): string[] {
  const unknown = dim('–');
  const { nextOffset, lagMessages, lagSeconds } = status;
  return [
    printable(status.topic),
    String(status.partition),
    PartitionState[status.state].toLowerCase(),
    nextOffset === undefined ? unknown : formatCount(nextOffset),
    lagMessages === undefined ? unknown : formatCount(lagMessages),
    lagSeconds === undefined ? unknown : lagSeconds.toFixed(1),
    timeText(status.watermark) ?? unknown,
    printable(status.reason),
  ];
}

function partitionJson(status: PartitionStatus): Json {
  const { topic, partition, reason, owner, nextOffset, highWatermark, lagMessages, lagSeconds } = status;
  return {
    topic,
    partition,
    state: PartitionState[status.state],
    reason,
    owner,
    nextOffset,
    highWatermark,
    lagMessages,
    lagSeconds,
    watermark: timeText(status.watermark),
    messagesApplied: status.messagesApplied,
    deadLettered: status.deadLettered,
  };
}
