import { setTimeout as sleep } from 'node:timers/promises';
import pRetry from 'p-retry';
import type { Database } from '../../storage/database.js';
import { toRollcallError } from '../../storage/database-errors.js';
import type { NewDeadLetter } from '../../storage/dead-letters.js';
import type { Applier } from '../applier.js';
import type { FeedOptions } from './feed-options.js';
import { type FeedPlace, positionAll } from './find-places.js';
import {
  type Admin,
  type Consumer,
  type EachBatchPayload,
  explainKafkaError,
  type KafkaClient,
} from './kafka-client.js';
import { look } from './look.js';
import { passOverEmpty, type PartitionProgress } from './partition-progress.js';
import type { Partitions } from './partitions.js';
import { type Range, readRanges, settleRange } from './positioning.js';
import { releaseCaptures } from './release-captures.js';
import { takeBatch } from './take-batch.js';

/** What a session works with. */
export interface SessionContext {
  readonly database: Database;
  readonly applier: Applier;
  readonly options: FeedOptions;
  readonly place: FeedPlace;
  readonly client: KafkaClient;
  readonly partitions: Partitions;
  /** Of the topics that exist. */
  readonly topics: readonly string[];
  readonly onDeadLetters: (letters: readonly NewDeadLetter[]) => void;
}

const FETCH_WAIT_MS = 500;
const HEARTBEAT_MS = 1_000;
const DISCONNECT_TIMEOUT_MS = 15_000;
const LONGEST_DELAY_MS = 5_000;

/**
 * One membership of the consumer group, from joining to leaving: it fetches and applies the partitions that it is assigned, and ends with the first
 * failure of the client, after which another begins.
 */
export class FeedSession {
  readonly #context: SessionContext;
  readonly #consumer: Consumer;
  readonly #taking = new Set<AbortController>();
  readonly #failed: Promise<never>;
  #admin: Admin;
  #joined = new AbortController();
  #positioned: Promise<void> = Promise.resolve();
  #isFindingPlaces = false;
  #committed = new Map<string, number>();
  #partitionsSeen = new Map<string, number>();

  constructor(context: SessionContext) {
    this.#context = context;
    const { client, options } = context;
    this.#consumer = client.consumer({
      group: options.group,
      maxBytesPerPartition: options.maxBytes,
      maxWaitMs: FETCH_WAIT_MS,
    });
    this.#admin = client.admin();
    this.#failed = this.#listen();
  }

  /** Joins the group and begins to fetch. Rejects where that fails. */
  async start(): Promise<void> {
    const { topics, options } = this.#context;
    await this.#admin.connect();
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics: [...topics], fromBeginning: true });
    const running = this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: options.partitionsAtOnce,
      eachBatch: (payload) => this.#take(payload),
    });
    await Promise.race([running, this.#failed]);
  }

  /** Looks after the feed, to be called about once a second. Rejects where the broker or the database is away, and once the membership has failed. */
  async look(): Promise<void> {
    await Promise.race([this.#lookNow(), this.#failed]);
  }

  /** Waits until the membership fails, for at most so long; rejects if it does. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    await Promise.race([sleep(timeoutMs, undefined, { signal }).catch(() => undefined), this.#failed]);
  }

  /** Asks the broker anew: after a failure, and where the number of partitions may have changed. */
  async renewAdmin(): Promise<void> {
    const former = this.#admin;
    this.#admin = this.#context.client.admin();
    await former.disconnect().catch(() => undefined);
    await this.#admin.connect();
  }

  /** Finishes the transactions under way, begins no other, and leaves the group. */
  async stop(): Promise<void> {
    this.#leave();
    await this.#commitOffsets().catch(() => undefined);
    const leaving = Promise.allSettled([this.#consumer.disconnect(), this.#admin.disconnect()]);
    await Promise.race([leaving, sleep(DISCONNECT_TIMEOUT_MS, undefined, { ref: false })]);
    this.#context.partitions.assign({});
  }

  /** Follows the client's events. The promise rejects when the membership fails. */
  #listen(): Promise<never> {
    const { GROUP_JOIN, REBALANCING, START_BATCH_PROCESS, CRASH } = this.#consumer.events;
    this.#consumer.on(GROUP_JOIN, ({ payload }) => {
      this.#onJoined(payload.memberAssignment);
    });
    this.#consumer.on(REBALANCING, () => {
      this.#leave();
    });
    this.#consumer.on(START_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize === 0)
        passOverEmpty(this.#context.partitions.get(payload.topic, payload.partition), payload);
    });
    const failed = new Promise<never>((_, reject) => {
      this.#consumer.on(CRASH, ({ payload }) => {
        this.#leave();
        reject(payload.error);
      });
    });
    failed.catch(() => undefined);
    return failed;
  }

  /** What is being taken is let go of after the transaction under way. */
  #leave(): void {
    this.#joined.abort();
    for (const taking of this.#taking) taking.abort();
  }

  #onJoined(assignment: Readonly<Record<string, readonly number[]>>): void {
    this.#leave();
    this.#joined = new AbortController();
    this.#committed = new Map();
    this.#context.partitions.assign(assignment);
    this.#isFindingPlaces = false;
    this.#positioned = this.#findPlaces(this.#joined.signal);
  }

  /** Finds out where those of the assigned partitions go on that do not know, for as long as it takes. */
  #findPlaces(signal: AbortSignal): Promise<void> {
    const { partitions, options, database, place } = this.#context;
    const waiting = (): PartitionProgress[] =>
      partitions
        .all()
        .filter(({ isAssigned, isPositioned, state }) => isAssigned && !isPositioned && state !== 'stopped');
    if (waiting().length === 0) return Promise.resolve();
    const find = () =>
      positionAll({ database, place, options, admin: () => this.#admin, signal, ...this.#control() }, waiting());
    const positioned = pRetry(find, {
      retries: Infinity,
      minTimeout: 200,
      maxTimeout: LONGEST_DELAY_MS,
      signal,
      onFailedAttempt: async ({ error }) => {
        for (const progress of waiting()) progress.reason = toRollcallError(error).message;
        options.log('warn', { err: error }, 'where the partitions stand cannot be read yet');
        await this.renewAdmin().catch(() => undefined);
      },
    });
    this.#isFindingPlaces = true;
    const isNewest = (): boolean => signal === this.#joined.signal;
    positioned
      .catch(() => undefined)
      .finally(() => {
        if (isNewest()) this.#isFindingPlaces = false;
      });
    return positioned;
  }

  async #take(payload: EachBatchPayload): Promise<void> {
    const { topic, partition } = payload.batch;
    const progress = this.#context.partitions.get(topic, partition);
    const taking = new AbortController();
    const heartbeats = setInterval(() => {
      payload.heartbeat().catch(() => {
        taking.abort();
      });
    }, HEARTBEAT_MS);
    this.#taking.add(taking);
    try {
      const context = this.#batchContext();
      await progress.inTurn(() => takeBatch({ context, progress, payload, signal: taking.signal }));
    } finally {
      clearInterval(heartbeats);
      this.#taking.delete(taking);
    }
  }

  #batchContext() {
    const { database, applier, place, options, onDeadLetters } = this.#context;
    return {
      ...{ database, applier, options, onDeadLetters },
      owner: place.owner,
      positioned: () => this.#positioned,
      readRange: (progress: PartitionProgress) => this.#readRange(progress),
      ...this.#control(),
    };
  }

  #control() {
    const partitionOf = ({ place: { topic, partition } }: PartitionProgress) => [{ topic, partitions: [partition] }];
    return {
      seek: ({ place: { topic, partition }, reached }: PartitionProgress) => {
        this.#consumer.seek({ topic, partition, offset: String(reached) });
      },
      pause: (progress: PartitionProgress) => {
        this.#consumer.pause(partitionOf(progress));
      },
      resume: (progress: PartitionProgress) => {
        this.#consumer.resume(partitionOf(progress));
      },
    };
  }

  async #readRange({ place: { topic, partition } }: PartitionProgress): Promise<Range> {
    const range = (await readRanges(this.#admin, topic)).find((candidate) => candidate.partition === partition);
    if (range === undefined) throw new Error('the partition is not known to the broker');
    return range;
  }

  async #lookNow(): Promise<void> {
    const { database, place, options, partitions, topics } = this.#context;
    if (await this.#hasNewPartitions()) await this.renewAdmin();
    const suspects = await look({ database, place, options, partitions, admin: this.#admin }, topics);
    for (const progress of suspects) await this.#checkSuspect(progress);
    await releaseCaptures(this.#batchContext(), partitions.all(), this.#joined.signal);
    if (!this.#isFindingPlaces) this.#positioned = this.#findPlaces(this.#joined.signal);
    await this.#commitOffsets().catch((error: unknown) => {
      options.log('debug', { reason: explainKafkaError(error) }, 'offsets could not be committed to Kafka');
    });
  }

  /** The admin keeps what it knows of topics. */
  async #hasNewPartitions(): Promise<boolean> {
    const { topics } = await this.#admin.fetchTopicMetadata({ topics: [...this.#context.topics] });
    let isNew = false;
    for (const { name, partitions } of topics) {
      const known = this.#partitionsSeen.get(name);
      if (known !== undefined && known !== partitions.length) isNew = true;
      this.#partitionsSeen.set(name, partitions.length);
    }
    return isNew;
  }

  /** A partition that seemed out of range may only have moved on while the broker was asked. */
  async #checkSuspect(progress: PartitionProgress): Promise<void> {
    const { reached } = progress;
    const range = await this.#readRange(progress);
    if (progress.reached !== reached || progress.state !== 'running') return;
    const { database, place, options } = this.#context;
    const { seek, pause } = this.#control();
    if (await settleRange({ database, owner: place.owner }, options, progress, range)) {
      if (progress.reached !== reached) seek(progress);
    } else pause(progress);
  }

  /** Only a hint for tools that show the lag of groups. */
  async #commitOffsets(): Promise<void> {
    const moved = this.#context.partitions
      .all()
      .filter(
        ({ place, isAssigned, isPositioned, reached }) =>
          isAssigned && isPositioned && this.#committed.get(`${place.topic}/${place.partition}`) !== reached,
      );
    if (moved.length === 0) return;
    const offsets = moved.map(({ place: { topic, partition }, reached }) => ({
      topic,
      partition,
      offset: String(reached),
    }));
    await this.#consumer.commitOffsets(offsets);
    for (const { topic, partition, offset } of offsets) this.#committed.set(`${topic}/${partition}`, Number(offset));
  }
}
