import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import kafkajs from 'kafkajs';
import { inject } from 'vitest';
import { IdentityChangeSchema } from '../../src/gen/rollcall/v1/identity_change_pb.js';
import { Applier, type CommittedRevision } from '../../src/indexing/applier.js';
import { KafkaFeed } from '../../src/indexing/kafka/consumer.js';
import type { FeedOptions } from '../../src/indexing/kafka/feed-options.js';
import type { AppliedBatch, PartitionStatus } from '../../src/indexing/kafka/feed-status.js';
import {
  type Admin,
  createKafkaClient,
  type KafkaClient,
  type Producer,
} from '../../src/indexing/kafka/kafka-client.js';
import type { Database } from '../../src/storage/database.js';

type ChangeInit = MessageInitShape<typeof IdentityChangeSchema>;

/** A message to send. */
export interface TestMessage {
  readonly key?: string | Buffer | null;
  readonly value: Buffer | null;
  readonly partition?: number;
  readonly headers?: Record<string, string>;
  /** Unix milliseconds; now where it is left out. */
  readonly timestampMs?: number;
}

/** Connections to the run's broker, and topics that are deleted with them. */
export interface TestBroker {
  readonly client: KafkaClient;
  readonly admin: Admin;
  readonly producer: Producer;
  createTopic(partitions?: number, config?: Readonly<Record<string, string>>, name?: string): Promise<string>;
  send(topic: string, messages: readonly TestMessage[]): Promise<void>;
  /** A producer that is not connected. */
  transactionalProducer(transactionalId: string): Producer;
  /** Takes the messages of a partition below `offset` away, as retention does. */
  expire(topic: string, offset: number, partition?: number): Promise<void>;
  close(): Promise<void>;
}

export async function connectTestBroker(): Promise<TestBroker> {
  const client = createKafkaClient(connection());
  const admin = client.admin();
  const producer = client.producer();
  await admin.connect();
  await producer.connect();
  const topics: string[] = [];
  return {
    ...{ client, admin, producer },
    async createTopic(partitions = 1, config = {}, name = `test-${randomUUID()}`) {
      const configEntries = Object.entries(config).map(([key, value]) => ({ name: key, value }));
      await admin.createTopics({ topics: [{ topic: name, numPartitions: partitions, configEntries }] });
      topics.push(name);
      return name;
    },
    async send(topic, messages) {
      await producer.send({ topic, messages: messages.map(toProduced) });
    },
    transactionalProducer(transactionalId) {
      const kafka = new kafkajs.Kafka({ brokers: [...inject('kafkaBrokers')], logLevel: kafkajs.logLevel.NOTHING });
      return kafka.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true });
    },
    async expire(topic, offset, partition = 0) {
      // The client looks for the partition's leader in what it knows, before it asks.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] });
    },
    async close() {
      if (topics.length > 0) await admin.deleteTopics({ topics }).catch(() => undefined);
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    },
  };
}

function toProduced({ key = null, value, partition, headers, timestampMs }: TestMessage) {
  return {
    key,
    value,
    ...(partition === undefined ? {} : { partition }),
    ...(headers === undefined ? {} : { headers }),
    ...(timestampMs === undefined ? {} : { timestamp: String(timestampMs) }),
  };
}

function connection() {
  return {
    brokers: inject('kafkaBrokers'),
    tls: false,
    tlsCaFile: undefined,
    sasl: undefined,
    onLog: () => undefined,
  };
}

/** A full state: traits are texts, or whole numbers. */
export function upsertMessage(
  environmentKey: string,
  identifier: string,
  traits: Readonly<Record<string, string | number>> = {},
  rest: Partial<TestMessage> = {},
): TestMessage {
  return changeMessage(
    { environmentKey, identifier, change: { case: 'upsert', value: { traits: values(traits) } } },
    rest,
  );
}

/** Some traits. */
export function setTraitsMessage(
  environmentKey: string,
  identifier: string,
  traits: Readonly<Record<string, string | number>>,
  rest: Partial<TestMessage> = {},
): TestMessage {
  const value = { traits: values(traits) };
  return changeMessage({ environmentKey, identifier, change: { case: 'setTraits', value } }, rest);
}

/** A deletion. */
export function deleteMessage(environmentKey: string, identifier: string): TestMessage {
  return changeMessage({ environmentKey, identifier, change: { case: 'delete', value: {} } });
}

function values(traits: Readonly<Record<string, string | number>>) {
  return Object.fromEntries(
    Object.entries(traits).map(([key, value]) => [
      key,
      typeof value === 'string'
        ? { kind: { case: 'stringValue' as const, value } }
        : { kind: { case: 'intValue' as const, value: BigInt(value) } },
    ]),
  );
}

/** A change as a protobuf message, keyed as producers key them. */
function changeMessage(change: ChangeInit, rest: Partial<TestMessage> = {}): TestMessage {
  const key = `${change.environmentKey ?? ''}:${change.identifier ?? ''}`;
  return { key, value: Buffer.from(toBinary(IdentityChangeSchema, create(IdentityChangeSchema, change))), ...rest };
}

/** A feed that runs, with what it told. */
export interface TestFeed {
  readonly feed: KafkaFeed;
  readonly applied: readonly AppliedBatch[];
  /** Its log lines, as JSON texts. */
  readonly lines: readonly string[];
  /** The status of a partition of the first topic. */
  partition(number?: number): PartitionStatus | undefined;
  /** Waits until everything that the topic holds is applied. */
  drained(topic: string): Promise<void>;
  stop(): Promise<void>;
}

export function startFeed(
  database: Database,
  options: Partial<FeedOptions> & Pick<FeedOptions, 'topics'>,
  onCommitted: (revision: CommittedRevision) => void = () => undefined,
): TestFeed {
  const applied: AppliedBatch[] = [];
  const lines: string[] = [];
  const feed = new KafkaFeed(database, new Applier(database, onCommitted), {
    connection: connection(),
    group: `group-${randomUUID()}`,
    start: 'earliest',
    outOfRange: 'stop',
    maxBytes: 1024 * 1024,
    batchChanges: 500,
    partitionsAtOnce: 3,
    deadLetterTopic: undefined,
    log: (level, fields, message) => lines.push(JSON.stringify({ level, message, ...fields })),
    onApplied: (batch) => applied.push(batch),
    ...options,
  });
  feed.run();
  return {
    ...{ feed, applied, lines },
    partition: (number = 0) =>
      feed.status().partitions.find(({ topic, partition }) => topic === options.topics[0] && partition === number),
    drained: (topic) => untilDrained(database, topic),
    stop: () => feed.stop(),
  };
}

/** Waits until all that a topic holds now is applied, by whichever process. */
export async function untilDrained(database: Database, topic: string): Promise<void> {
  const admin = createKafkaClient(connection()).admin();
  await admin.connect();
  try {
    await eventually(async () => {
      const ends = await admin.fetchTopicOffsets(topic);
      const rows = await database.sql<{ partition: number; next: number }[]>`
        select partition, next_offset as next from kafka_offset where topic = ${topic}`;
      for (const { partition, high } of ends) {
        const next = rows.find((row) => row.partition === partition)?.next;
        if (next !== Number(high)) throw new Error(`partition ${partition} stands at ${String(next)} of ${high}`);
      }
    });
  } finally {
    await admin.disconnect();
  }
}

/** Calls again, for at most 30 s, until it does not throw. */
export async function eventually<T>(call: () => T | Promise<T>): Promise<T> {
  const until = Date.now() + 30_000;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (Date.now() > until) throw error;
    }
    await sleep(50);
  }
}
