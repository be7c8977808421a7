/**
 * What a partition is doing. `running`: its messages are applied as they come; `waiting`: for something that will pass by itself (`reason` says what);
 * `stopped`: it needs an operator; `elsewhere`: another process of the group has it, or none.
 */
export type PartitionState = 'running' | 'waiting' | 'stopped' | 'elsewhere';

/** How far one partition is applied. Offsets are of messages, times are Unix milliseconds. */
export interface PartitionStatus {
  readonly topic: string;
  readonly partition: number;
  readonly state: PartitionState;
  /** Why it waits or is stopped; '' where it does neither. */
  readonly reason: string;
  readonly isAssignedHere: boolean;
  /** The process that last advanced the partition; '' where none did. */
  readonly owner: string;
  /** The next message to apply; undefined before the partition was first seen. */
  readonly nextOffset: number | undefined;
  /** One past the last message of the topic's partition; undefined before the broker was asked. */
  readonly highWatermark: number | undefined;
  /** Messages not applied yet; undefined where that is not known. */
  readonly lagMessages: number | undefined;
  /** How far what is applied lies behind now; 0 where everything is applied, undefined where that is not known. */
  readonly lagSeconds: number | undefined;
  /** What the partition held up to then is applied; undefined where nothing is. */
  readonly watermarkMs: number | undefined;
  /** Messages that this process brought to an end since it started, dead letters among them. */
  readonly messagesApplied: number;
  /** Messages that this process put to the dead letters since it started. */
  readonly deadLettered: number;
}

/** `off`: no brokers are configured; `connecting`: to the brokers; `waiting`: for what `reason` says; `running`: in its consumer group. */
export type FeedState = 'off' | 'connecting' | 'waiting' | 'running';

/** The feed as this process sees it. Partitions are by topic and number: those of every process of the group. */
export interface FeedStatus {
  readonly state: FeedState;
  readonly reason: string;
  /** The brokers' cluster id; '' before they were reached. */
  readonly cluster: string;
  readonly group: string;
  readonly topics: readonly string[];
  /** As `PartitionStatus.owner` names this process. */
  readonly owner: string;
  /** Messages a second over the last ten seconds, by this process. */
  readonly messagesPerSecond: number;
  readonly partitions: readonly PartitionStatus[];
}

/** What is told of each batch after its commit, for metrics. */
export interface AppliedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly messages: number;
  readonly deadLetters: number;
  readonly bytes: number;
  /** How long the batch took from its messages in hand to its commit. */
  readonly durationMs: number;
  /** How long ago, at the commit, the broker had taken the batch's oldest and newest message. */
  readonly oldestAgeMs: number;
  readonly newestAgeMs: number;
}

/** A process without brokers. */
export const NO_FEED: FeedStatus = {
  state: 'off',
  reason: '',
  cluster: '',
  group: '',
  topics: [],
  owner: '',
  messagesPerSecond: 0,
  partitions: [],
};
