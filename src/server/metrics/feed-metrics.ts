import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { AppliedBatch, FeedStatus, PartitionStatus } from '../../indexing/kafka/feed-status.js';
import { agesOf, type VisibilityDelay, VisibilityWindow } from './visibility-window.js';
import { WeightedHistogram } from './weighted-histogram.js';

/** What is measured of the Kafka feed. */
export interface FeedMetrics {
  /** To be told of each batch after its commit. */
  readonly onApplied: (batch: AppliedBatch) => void;
  readonly readVisibility: () => VisibilityDelay;
  /** Sets what is true of the feed now. */
  readonly show: (status: FeedStatus) => void;
}

const VISIBLE_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 86_400];
const BATCH_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const FEED_STATES = ['off', 'connecting', 'waiting', 'running'] as const;

export function createFeedMetrics(registry: Registry): FeedMetrics {
  const registers = [registry];
  const visible = new WeightedHistogram({
    name: 'rollcall_feed_event_to_visible_seconds',
    help: 'Time from the broker taking a message to its being visible to reads',
    buckets: VISIBLE_SECONDS,
    registers,
  });
  const countBatch = createBatchCounters(registers);
  const window = new VisibilityWindow();
  return {
    onApplied(batch) {
      countBatch(batch);
      const ages = agesOf(batch);
      window.add(ages, Date.now());
      for (const { ageMs, messages } of ages) visible.observeMany(ageMs / 1000, messages);
    },
    readVisibility: () => window.read(Date.now()),
    show: createStatusGauges(registers),
  };
}

function createBatchCounters(registers: Registry[]): (batch: AppliedBatch) => void {
  const counter = (name: string, help: string) =>
    new Counter({ name, help, labelNames: ['topic'] as const, registers });
  const messages = counter('rollcall_feed_messages_total', 'Messages brought to an end, dead letters among them');
  const bytes = counter('rollcall_feed_bytes_total', 'Bytes of keys and values of these messages');
  const batches = counter('rollcall_feed_batches_total', 'Transactions in which they were applied');
  const deadLetters = counter('rollcall_feed_dead_letters_total', 'Messages put to the dead letters');
  const seconds = new Histogram({
    name: 'rollcall_feed_batch_seconds',
    help: 'Time from having the messages of a batch to its commit',
    buckets: BATCH_SECONDS,
    registers,
  });
  return (batch) => {
    const { topic } = batch;
    messages.inc({ topic }, batch.messages);
    bytes.inc({ topic }, batch.bytes);
    batches.inc({ topic });
    deadLetters.inc({ topic }, batch.deadLetters);
    seconds.observe(batch.durationMs / 1000);
  };
}

/** A gauge of partitions with the value that each has; none where it is not known. */
type PartitionGauge = readonly [name: string, help: string, valueOf: (status: PartitionStatus) => number | undefined];

const PARTITION_GAUGES: readonly PartitionGauge[] = [
  ['rollcall_feed_next_offset', 'The next message to apply', ({ nextOffset }) => nextOffset],
  ['rollcall_feed_high_watermark', 'One past the last message of the partition', ({ highWatermark }) => highWatermark],
  ['rollcall_feed_lag_messages', 'Messages not applied yet', ({ lagMessages }) => lagMessages],
  ['rollcall_feed_lag_seconds', 'How far what is applied lies behind now', ({ lagSeconds }) => lagSeconds],
  [
    'rollcall_feed_watermark_timestamp_seconds',
    'What the partition held up to this Unix time is applied',
    ({ watermarkMs }) => (watermarkMs === undefined ? undefined : watermarkMs / 1000),
  ],
  [
    'rollcall_feed_partition_assigned',
    'Whether this process applies the partition',
    ({ isAssignedHere }) => Number(isAssignedHere),
  ],
  [
    'rollcall_feed_partition_stopped',
    'Whether the partition stands still until an operator acts',
    ({ state }) => Number(state === 'stopped'),
  ],
];

function createStatusGauges(registers: Registry[]): (status: FeedStatus) => void {
  const states = new Gauge({
    name: 'rollcall_feed_state',
    help: '1 for the state that the feed of this process is in',
    labelNames: ['state'] as const,
    registers,
  });
  const labelNames = ['topic', 'partition'] as const;
  const partitions = PARTITION_GAUGES.map(([name, help, valueOf]) => ({
    gauge: new Gauge({ name, help, labelNames, registers }),
    valueOf,
  }));
  return (status) => {
    for (const state of FEED_STATES) states.set({ state }, Number(state === status.state));
    for (const { gauge, valueOf } of partitions) {
      gauge.reset();
      for (const one of status.partitions) {
        const value = valueOf(one);
        if (value !== undefined) gauge.set({ topic: one.topic, partition: one.partition }, value);
      }
    }
  };
}
