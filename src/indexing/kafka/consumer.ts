import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { RollcallError } from '../../core/errors.js';
import { askDatabase, type Database } from '../../storage/database.js';
import { leavePartitions } from '../../storage/kafka-offsets.js';
import type { Applier } from '../applier.js';
import { DeadLetterSender } from './dead-letter-sender.js';
import type { FeedOptions } from './feed-options.js';
import { FeedSession } from './feed-session.js';
import type { FeedState, FeedStatus } from './feed-status.js';
import { createKafkaClient, explainKafkaError, type KafkaClient } from './kafka-client.js';
import { Partitions } from './partitions.js';
import { partitionStatus } from './partition-status.js';
import { RateMeter } from './rate-meter.js';

const LOOK_INTERVAL_MS = 1_000;
const FIND_TOPICS_INTERVAL_MS = 2_000;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 3_000;
const RATE_WINDOW_MS = 10_000;

/**
 * Applies the changes on Kafka's topics, each exactly once in effect: the offset of a partition commits with what it moves past (I2, I3). It waits for brokers,
 * topics and the database for as long as they are away, and says so in its status.
 */
export class KafkaFeed {
  readonly #database: Database;
  readonly #applier: Applier;
  readonly #options: FeedOptions;
  readonly #client: KafkaClient;
  readonly #owner = `${hostname()}/${process.pid}/${randomBytes(4).toString('hex')}`;
  readonly #stopping = new AbortController();
  readonly #rate = new RateMeter(RATE_WINDOW_MS);
  readonly #sender: DeadLetterSender | undefined;
  #partitions = new Partitions('');
  #cluster = '';
  #state: FeedState = 'connecting';
  #reason = '';
  #running: Promise<void> = Promise.resolve();

  /** Throws INVALID_REQUEST where the options cannot be used. */
  constructor(database: Database, applier: Applier, options: FeedOptions) {
    this.#database = database;
    this.#applier = applier;
    this.#options = {
      ...options,
      onApplied: (batch) => {
        this.#rate.add(batch.messages);
        options.onApplied(batch);
      },
    };
    this.#client = createKafkaClient({
      ...options.connection,
      onLog: ({ level, message, context }) => {
        options.log('debug', { kafka: context, kafkaLevel: level }, message);
      },
    });
    this.#sender =
      options.deadLetterTopic === undefined
        ? undefined
        : new DeadLetterSender(this.#client, options.deadLetterTopic, options.log);
  }

  run(): void {
    this.#running = this.#keepReading();
  }

  /** Finishes the transactions under way and leaves the group; what was fetched and not applied is fetched again by the next owner. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#sender?.stop();
  }

  status(): FeedStatus {
    const { group, topics } = this.#options;
    return {
      state: this.#state,
      reason: this.#reason,
      cluster: this.#cluster,
      group,
      topics,
      owner: this.#owner,
      messagesPerSecond: this.#rate.perSecond(),
      partitions: this.#partitions.all().map(partitionStatus),
    };
  }

  async #keepReading(): Promise<void> {
    let delayMs = FIRST_DELAY_MS;
    while (!this.#stopping.signal.aborted) {
      const startedMs = performance.now();
      try {
        await this.#readOnce();
      } catch (error) {
        this.#wait(`the feed is interrupted: ${explain(error)}`, error);
      }
      delayMs =
        performance.now() - startedMs > LONGEST_DELAY_MS ? FIRST_DELAY_MS : Math.min(delayMs * 2, LONGEST_DELAY_MS);
      await this.#sleep(delayMs);
    }
  }

  /** One membership of the group, until it fails, a topic appears that was missing, or the feed is stopped. */
  async #readOnce(): Promise<void> {
    const topics = await this.#findTopics();
    if (topics.length === 0) return;
    const session = new FeedSession({
      ...{ database: this.#database, applier: this.#applier, options: this.#options, client: this.#client, topics },
      place: { cluster: this.#cluster, group: this.#options.group, owner: this.#owner },
      partitions: this.#partitions,
      onDeadLetters: (letters) => this.#sender?.send(letters),
    });
    try {
      this.#wait('joining the consumer group');
      await session.start();
      await this.#watch(session, topics);
    } finally {
      await session.stop();
    }
  }

  async #watch(session: FeedSession, topics: readonly string[]): Promise<void> {
    let lastSearchMs = performance.now();
    while (!this.#stopping.signal.aborted) {
      try {
        await session.look();
        this.#goOn(topics);
      } catch (error) {
        await session.wait(0, this.#stopping.signal);
        this.#wait(explain(error), error);
        await session.renewAdmin().catch(() => undefined);
      }
      await session.wait(LOOK_INTERVAL_MS, this.#stopping.signal);
      if (topics.length === this.#options.topics.length) continue;
      if (performance.now() - lastSearchMs < FIND_TOPICS_INTERVAL_MS) continue;
      lastSearchMs = performance.now();
      if ((await this.#existingTopics()).length > topics.length) return;
    }
  }

  /** The topics that exist, once there is one; none where the feed is stopped meanwhile. */
  async #findTopics(): Promise<readonly string[]> {
    while (!this.#stopping.signal.aborted) {
      const topics = await this.#existingTopics();
      if (topics.length > 0) {
        await askDatabase(this.#database, (sql) =>
          leavePartitions(sql, this.#options.group, this.#cluster, this.#options.topics),
        );
        return topics;
      }
      this.#wait(this.#missingTopics(topics));
      await this.#sleep(FIND_TOPICS_INTERVAL_MS);
    }
    return [];
  }

  async #existingTopics(): Promise<readonly string[]> {
    const admin = this.#client.admin();
    try {
      await admin.connect();
      const { clusterId } = await admin.describeCluster();
      if (clusterId !== this.#cluster) {
        this.#partitions = new Partitions(clusterId);
        this.#cluster = clusterId;
      }
      const existing = new Set(await admin.listTopics());
      return this.#options.topics.filter((topic) => existing.has(topic));
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
  }

  #missingTopics(topics: readonly string[]): string {
    const missing = this.#options.topics.filter((topic) => !topics.includes(topic));
    if (missing.length === 0) return '';
    return missing.length === 1
      ? `the topic '${missing.join()}' does not exist`
      : `the topics '${missing.join(`', '`)}' do not exist`;
  }

  #goOn(topics: readonly string[]): void {
    const reason = this.#missingTopics(topics);
    if (this.#state !== 'running' || this.#reason !== reason)
      this.#options.log('info', { cluster: this.#cluster, topics, owner: this.#owner }, 'the feed is running');
    this.#state = 'running';
    this.#reason = reason;
  }

  #wait(reason: string, error?: unknown): void {
    if (this.#reason !== reason)
      this.#options.log(error === undefined ? 'info' : 'warn', { err: error, reason }, 'the feed waits');
    this.#state = 'waiting';
    this.#reason = reason;
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}

function explain(error: unknown): string {
  return error instanceof RollcallError ? error.message : explainKafkaError(error);
}
