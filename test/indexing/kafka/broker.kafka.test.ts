import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { createKafkaClient } from '../../../src/indexing/kafka/kafka-client.js';
import type { Admin } from '../../../src/indexing/kafka/kafka-client.js';

const client = createKafkaClient({
  brokers: inject('kafkaBrokers'),
  tls: false,
  tlsCaFile: undefined,
  sasl: undefined,
  onLog: () => undefined,
});
const topic = `broker-${randomUUID()}`;
let admin: Admin;

beforeAll(async () => {
  admin = client.admin();
  await admin.connect();
});

afterAll(async () => {
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
});

it('keeps the records of a topic that was made on it', async () => {
  await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true });
  const producer = client.producer();
  await producer.connect();
  await producer.send({ topic, messages: [{ partition: 1, key: 'default:ada', value: 'hello' }] });
  await producer.disconnect();
  const offsets = await admin.fetchTopicOffsets(topic);
  expect(offsets.map(({ partition, high }) => `${partition}:${high}`).sort()).toEqual(['0:0', '1:1']);
});

it('makes no topic that nobody asked for', async () => {
  await expect(admin.fetchTopicMetadata({ topics: [`nobody-asked-${randomUUID()}`] })).rejects.toThrow(
    'does not host this topic-partition',
  );
});
