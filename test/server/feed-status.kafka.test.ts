import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { ErrorReason } from '../../src/gen/rollcall/v1/error_reason_pb.js';
import { FeedState, PartitionState } from '../../src/gen/rollcall/v1/index_service_pb.js';
import {
  connectTestBroker,
  setTraitsMessage,
  type TestBroker,
  untilDrained,
  upsertMessage,
} from '../helpers/kafka-feed.js';
import { createTestDatabase, type TestDatabase } from '../helpers/postgres.js';
import { eventually, startTestRollcall, type TestRollcall } from '../helpers/rollcall.js';
import { readExposition, valueOf } from './metrics/exposition.js';

let database: TestDatabase;
let broker: TestBroker;
let server: TestRollcall;
let topic: string;

beforeAll(async () => {
  [database, broker] = await Promise.all([createTestDatabase(), connectTestBroker()]);
  topic = await broker.createTopic(2);
  server = await startTestRollcall(database.url, {
    kafkaBrokers: inject('kafkaBrokers').join(','),
    kafkaTopics: topic,
    kafkaGroup: randomUUID(),
  });
  await server.environments.create({ environment: { key: 'default' } });
});

afterAll(async () => {
  await server.stop();
  await Promise.all([database.drop(), broker.close()]);
});

async function feedStatus(of: TestRollcall = server) {
  const { feed } = await of.index.getStatus({});
  if (feed === undefined) throw new Error('the status tells nothing of the feed');
  return feed;
}

it('tells state, lag, rates, dead letters and quarantine, and the time from event to visible', async () => {
  const people = Array.from({ length: 50 }, (_, n) => upsertMessage('default', `person-${n}`, { n }));
  await broker.send(topic, [
    ...people.map((message, n) => ({ ...message, partition: n % 2 })),
    // In the partition of that person, after the full state: another partition's could come later.
    { key: 'default:person-2', value: Buffer.from('garbage'), partition: 0 },
  ]);
  await untilDrained(database.db, topic);
  const feed = await eventually(async () => {
    const status = await feedStatus();
    expect(status.partitions.map(({ nextOffset, highWatermark }) => [nextOffset, highWatermark])).toEqual([
      [26n, 26n],
      [25n, 25n],
    ]);
    expect(status.partitions.map(({ lagMessages }) => lagMessages)).toEqual([0n, 0n]);
    expect(status.visibility?.messages).toBe(51n);
    expect(status.partitions.every(({ watermark }) => watermark !== undefined)).toBe(true);
    return status;
  });
  expect(feed).toMatchObject({ state: FeedState.RUNNING, reason: '', topics: [topic], deadLetters: { count: 1n } });
  expect(feed.messagesPerSecond).toBeGreaterThan(0);
  expect(feed.cluster).not.toBe('');
  expect(feed.partitions.map(({ state, owner }) => [state, owner])).toEqual([
    [PartitionState.RUNNING, feed.owner],
    [PartitionState.RUNNING, feed.owner],
  ]);
  expect(feed.visibility?.p50Seconds).toBeGreaterThan(0);
  expect(feed.visibility?.p99Seconds).toBeLessThan(30);
  for (const { watermark } of feed.partitions)
    expect(Math.abs((watermark === undefined ? 0 : timestampMs(watermark)) - Date.now())).toBeLessThan(30_000);
  const { environments } = await server.index.getStatus({});
  expect(environments[0]).toMatchObject({
    quarantinedIdentities: 1n,
    quarantined: [{ identifier: 'person-2' }],
    identities: 50n,
  });
});

it('shows the same in the metrics', async () => {
  const text = await (await fetch(`http://${server.httpAddress}/metrics`)).text();
  const metrics = readExposition(text);
  expect(valueOf(metrics, 'rollcall_feed_messages_total', { topic })).toBe(51);
  expect(valueOf(metrics, 'rollcall_feed_dead_letters_total', { topic })).toBe(1);
  expect(valueOf(metrics, 'rollcall_feed_event_to_visible_seconds_count')).toBe(51);
  expect(valueOf(metrics, 'rollcall_feed_batch_seconds_count')).toBe(
    valueOf(metrics, 'rollcall_feed_batches_total', { topic }),
  );
  expect(valueOf(metrics, 'rollcall_feed_state', { state: 'running' })).toBe(1);
  expect(valueOf(metrics, 'rollcall_feed_lag_messages', { topic, partition: '0' })).toBe(0);
  expect(valueOf(metrics, 'rollcall_feed_next_offset', { topic, partition: '0' })).toBe(26);
  expect(valueOf(metrics, 'rollcall_dead_letters')).toBe(1);
  expect(valueOf(metrics, 'rollcall_quarantined_identities')).toBe(1);
});

it('replays what the feed put aside, once its environment is there', async () => {
  await broker.send(topic, [setTraitsMessage('later', 'ada', { plan: 'pro' })]);
  await untilDrained(database.db, topic);
  const filter = { environment: 'later' };
  const { deadLetters } = await server.index.listDeadLetters({ filter });
  expect(deadLetters).toMatchObject([
    { topic, reason: ErrorReason.ENVIRONMENT_NOT_FOUND, environment: 'later', identifier: 'ada' },
  ]);
  await server.environments.create({ environment: { key: 'later' } });
  const { replayed, failed } = await server.index.replayDeadLetters({ selection: { case: 'filter', value: filter } });
  expect({ replayed, failed }).toEqual({ replayed: 1n, failed: [] });
  const { environments } = await server.index.getStatus({ environment: 'later' });
  expect(environments[0]).toMatchObject({ identities: 1n, quarantinedIdentities: 0n });
});

it('says of a process without brokers that its feed is off, and still counts the dead letters', async () => {
  const other = await startTestRollcall(database.url);
  try {
    expect(await feedStatus(other)).toMatchObject({ state: FeedState.OFF, partitions: [], deadLetters: { count: 1n } });
  } finally {
    await other.stop();
  }
});

it('says what a feed waits for', async () => {
  const waiting = await startTestRollcall(database.url, {
    kafkaBrokers: '127.0.0.1:1',
    kafkaTopics: topic,
    kafkaGroup: randomUUID(),
  });
  try {
    const feed = await eventually(async () => {
      const status = await feedStatus(waiting);
      expect(status.state).toBe(FeedState.WAITING);
      return status;
    });
    expect(feed.reason).not.toBe('');
  } finally {
    await waiting.stop();
  }
});
