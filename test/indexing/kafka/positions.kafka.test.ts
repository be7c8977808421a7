import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FeedOptions } from '../../../src/indexing/kafka/feed-options.js';
import { inTransaction } from '../../../src/storage/database.js';
import type { Environment } from '../../../src/storage/environments.js';
import { createFixture, type Fixture, readTruth } from '../../helpers/fixture.js';
import {
  connectTestBroker,
  eventually,
  startFeed,
  type TestBroker,
  type TestFeed,
  upsertMessage,
} from '../../helpers/kafka-feed.js';

const GROUP = 'positions';

let fixture: Fixture;
let environment: Environment;
let broker: TestBroker;
let topic: string;
let feeds: TestFeed[];
beforeEach(async () => {
  fixture = await createFixture();
  environment = await fixture.environment();
  broker = await connectTestBroker();
  topic = await broker.createTopic();
  feeds = [];
});
afterEach(async () => {
  await Promise.all(feeds.map((feed) => feed.stop()));
  await broker.close();
  await fixture.drop();
});

function start(options: Partial<FeedOptions> = {}): TestFeed {
  const feed = startFeed(fixture.database, { topics: [topic], group: `${GROUP}-${topic}`, ...options });
  feeds.push(feed);
  return feed;
}

async function put(...names: string[]): Promise<void> {
  await broker.send(
    topic,
    names.map((name) => upsertMessage(environment.key, name)),
  );
}

async function identifiers(): Promise<string[]> {
  return (await readTruth(fixture.database, environment)).identities.map(({ identifier }) => identifier).sort();
}

/** Applies what is there and stops. */
async function applyAll(): Promise<void> {
  const feed = start();
  await feed.drained(topic);
  await feed.stop();
}

const appliedBy = ({ applied }: TestFeed): number => applied.reduce((sum, { messages }) => sum + messages, 0);

const setCommitted = (offset: number) =>
  broker.admin.setOffsets({
    groupId: `${GROUP}-${topic}`,
    topic,
    partitions: [{ partition: 0, offset: String(offset) }],
  });

const setStored = (offset: number) =>
  fixture.database.sql`update kafka_offset set next_offset = ${offset} where topic = ${topic}`;

const assignedLine = ({ lines }: TestFeed): string | undefined =>
  lines.find((line) => line.includes('a partition was assigned'));

describe('where a partition goes on', () => {
  it.each([
    ['the same', 3],
    ['behind', 1],
    ['ahead', 5],
    ['missing', undefined],
  ] as const)('is what Postgres says, where what was committed to Kafka is %s', async (kafkaIs, committed) => {
    await put('a', 'b', 'c');
    await applyAll();
    await put('d', 'e');
    if (committed === undefined) await broker.admin.deleteGroups([`${GROUP}-${topic}`]);
    else await setCommitted(committed);
    const feed = start();
    await feed.drained(topic);
    expect(await identifiers()).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(appliedBy(feed)).toBe(2);
    expect(assignedLine(feed)).toContain(`"kafkaIs":"${kafkaIs}"`);
  });

  it('is what Postgres says, where what was committed to Kafka has expired', async () => {
    await put('a', 'b', 'c');
    await applyAll();
    await put('d', 'e');
    await setCommitted(1);
    await broker.expire(topic, 3);
    const feed = start();
    await feed.drained(topic);
    expect(appliedBy(feed)).toBe(2);
    expect(assignedLine(feed)).toContain('"kafkaIs":"expired"');
  });

  it('is the start that is configured, for a topic that was never read', async () => {
    await put('a', 'b');
    const feed = start({ start: 'latest' });
    await eventually(() => {
      expect(feed.partition()).toMatchObject({ state: 'running', nextOffset: 2 });
    });
    await put('c');
    await feed.drained(topic);
    expect(await identifiers()).toEqual(['c']);
  });

  it('is the beginning, for partitions that were added to a topic that is read', async () => {
    const feed = start({ start: 'latest' });
    await eventually(() => {
      expect(feed.partition()).toMatchObject({ state: 'running' });
    });
    await broker.admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
    const producer = broker.client.producer();
    await producer.connect();
    const { value } = upsertMessage(environment.key, 'in-the-new-one');
    await producer.send({ topic, messages: [{ key: `${environment.key}:in-the-new-one`, value, partition: 2 }] });
    await producer.disconnect();
    await eventually(async () => {
      expect(await identifiers()).toEqual(['in-the-new-one']);
    });
    await eventually(() => {
      expect(feed.feed.status().partitions).toHaveLength(3);
    });
  });

  it('is nothing that another cluster said', async () => {
    await put('a', 'b');
    await fixture.database.sql`
      insert into kafka_offset (cluster, topic, partition, feed, next_offset) values ('another cluster', ${topic}, 0, ${`${GROUP}-${topic}`}, 1)`;
    const feed = start();
    await feed.drained(topic).catch(() => undefined);
    await eventually(async () => {
      expect(await identifiers()).toEqual(['a', 'b']);
    });
    const rows = await fixture.database
      .sql`select cluster, feed, next_offset as next from kafka_offset order by cluster <> 'another cluster'`;
    expect(rows[0]).toMatchObject({ cluster: 'another cluster', feed: '', next: 1 });
    expect(rows[1]).toMatchObject({ feed: `${GROUP}-${topic}`, next: 2 });
  });
});

describe('a partition whose next message the broker does not have', () => {
  const expire = async (): Promise<void> => {
    await put('a');
    await applyAll();
    await put('lost', 'c');
    await broker.expire(topic, 2);
  };

  it('is stopped with a reason by default, while other partitions go on', async () => {
    await expire();
    await broker.admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] });
    const feed = start();
    await eventually(() => {
      expect(feed.partition()).toMatchObject({ state: 'stopped', nextOffset: 1 });
    });
    expect(feed.partition()?.reason).toBe('messages 1 to 1 were never applied and the broker has them no more');
    const [row] = await fixture.database
      .sql`select stopped_reason as reason from kafka_offset where topic = ${topic} and partition = 0`;
    expect(row).toEqual({ reason: feed.partition()?.reason });
    await eventually(() => {
      expect(feed.partition(1)).toMatchObject({ state: 'running', lagMessages: 0 });
    });
    expect(await identifiers()).toEqual(['a']);
  });

  it('goes on at the earliest or at the latest that there is, where that is configured, and says so', async () => {
    await expire();
    const feed = start({ outOfRange: 'earliest' });
    await feed.drained(topic);
    expect(await identifiers()).toEqual(['a', 'c']);
    expect(feed.lines.some((line) => line.includes('goes on elsewhere'))).toBe(true);
    await feed.stop();
    await setStored(100);
    const other = start({ outOfRange: 'latest' });
    await eventually(() => {
      expect(other.partition()).toMatchObject({ state: 'running', nextOffset: 3 });
    });
    await put('d');
    await other.drained(topic);
    expect(await identifiers()).toEqual(['a', 'c', 'd']);
  });

  it('is stopped where the topic was made anew and is shorter', async () => {
    await put('a');
    await applyAll();
    await setStored(7);
    const feed = start();
    await eventually(() => {
      expect(feed.partition()).toMatchObject({ state: 'stopped' });
    });
    expect(feed.partition()?.reason).toContain(`the broker's partition ends at 1`);
  });

  it('is stopped where its messages expire while it lags: none is passed over in silence', async () => {
    for (let n = 0; n < 10; n++) await put(`${n}-${'x'.repeat(500)}`);
    const feed = await inTransaction(fixture.database, { isolation: 'read committed' }, async (tx) => {
      await tx`lock table identity in exclusive mode`;
      const blocked = start({ maxBytes: 1024 });
      await eventually(async () => {
        const [row] = await fixture.database
          .sql`select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
        expect(row).toBeDefined();
      });
      await broker.expire(topic, 8);
      return blocked;
    });
    await eventually(() => {
      expect(feed.partition()).toMatchObject({ state: 'stopped' });
    });
    const applied = (await identifiers()).length;
    expect(applied).toBeLessThan(8);
    expect(feed.partition()).toMatchObject({
      nextOffset: applied,
      reason: expect.stringContaining('to 7 were never applied') as unknown,
    });
  });
});
