import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectDatabase } from '../../../src/storage/database.js';
import type { Environment } from '../../../src/storage/environments.js';
import { createFixture, type Fixture, readTruth } from '../../helpers/fixture.js';
import {
  connectTestBroker,
  deleteMessage,
  eventually,
  startFeed,
  type TestBroker,
  type TestFeed,
  untilDrained,
  upsertMessage,
} from '../../helpers/kafka-feed.js';
import { TEST_CONNECTION } from '../../helpers/postgres.js';
import { startTcpProxy } from '../../helpers/tcp-proxy.js';

let fixture: Fixture;
let environment: Environment;
let broker: TestBroker;
beforeEach(async () => {
  fixture = await createFixture();
  environment = await fixture.environment();
  broker = await connectTestBroker();
});
afterEach(async () => {
  await broker.close();
  await fixture.drop();
});

async function identifiers(): Promise<string[]> {
  return (await readTruth(fixture.database, environment)).identities.map(({ identifier }) => identifier).sort();
}

describe('the feed', () => {
  it('applies what lies on a topic and what comes, and goes on where it stopped', async () => {
    const topic = await broker.createTopic(2);
    const put = (...names: string[]) =>
      broker.send(
        topic,
        names.map((name) => upsertMessage(environment.key, name, { n: 1 })),
      );
    await put('a', 'b', 'c');
    const first = startFeed(fixture.database, { topics: [topic], group: 'restarts' });
    await first.drained(topic);
    await put('d');
    await broker.send(topic, [deleteMessage(environment.key, 'a')]);
    await first.drained(topic);
    expect(await identifiers()).toEqual(['b', 'c', 'd']);
    expect(first.feed.status()).toMatchObject({ state: 'running', reason: '' });
    await first.stop();
    await put('e');
    const second = startFeed(fixture.database, { topics: [topic], group: 'restarts' });
    await second.drained(topic);
    expect(await identifiers()).toEqual(['b', 'c', 'd', 'e']);
    expect(second.applied.reduce((sum, { messages }) => sum + messages, 0)).toBe(1);
    await second.stop();
  });

  it('applies each message once, stopped and started again in the middle of a backlog, shared with another process', async () => {
    const topic = await broker.createTopic(3);
    const count = 6_000;
    const messages = Array.from({ length: count }, (_, n) =>
      upsertMessage(environment.key, `identity-${n % 1_000}`, { n }),
    );
    await broker.send(topic, messages);
    let applied = 0;
    const begin = () => startFeed(fixture.connect(), { topics: [topic], group: topic, batchChanges: 100 });
    const messagesOf = (feed: TestFeed) => feed.applied.reduce((sum, batch) => sum + batch.messages, 0);
    const end = async (feed: TestFeed) => {
      await feed.stop();
      applied += messagesOf(feed);
    };
    const other = begin();
    for (let round = 0; round < 3; round++) {
      const feed = begin();
      await eventually(() => {
        expect(applied + messagesOf(feed) + messagesOf(other)).toBeGreaterThan(round * 1_000);
      });
      await end(feed);
    }
    await other.drained(topic);
    await end(other);
    expect(applied).toBe(count);
    const { identities } = await readTruth(fixture.database, environment);
    const expected = Array.from({ length: 1_000 }, (_, n) => String(5_000 + n)).sort();
    expect(identities.map(({ traits }) => traits.get('n')).sort()).toEqual(expected);
  });

  it('waits for a topic that does not exist, says so, and reads it once it does', async () => {
    const there = await broker.createTopic();
    const missing = `missing-${there}`;
    const alone = startFeed(fixture.database, { topics: [missing], group: missing });
    await eventually(() => {
      expect(alone.feed.status()).toMatchObject({ state: 'waiting', reason: `the topic '${missing}' does not exist` });
    });
    const both = startFeed(fixture.connect(), { topics: [there, missing] });
    await broker.send(there, [upsertMessage(environment.key, 'a')]);
    await both.drained(there);
    expect(both.feed.status()).toMatchObject({ state: 'running', reason: `the topic '${missing}' does not exist` });
    await alone.stop();
    await broker.createTopic(1, {}, missing);
    await broker.send(missing, [upsertMessage(environment.key, 'b')]);
    await both.drained(missing);
    expect(await identifiers()).toEqual(['a', 'b']);
    await eventually(() => {
      expect(both.feed.status()).toMatchObject({ state: 'running', reason: '' });
    });
    await both.stop();
  });

  it('waits for the brokers, and says what is wrong', async () => {
    const connection = { brokers: ['127.0.0.1:1'], tls: false, tlsCaFile: undefined, sasl: undefined };
    const { feed } = startFeed(fixture.database, { topics: ['any'], connection });
    await eventually(() => {
      expect(feed.status()).toMatchObject({ state: 'waiting', cluster: '' });
    });
    expect(feed.status().reason).toContain('ECONNREFUSED');
    await feed.stop();
  });

  it('waits while the database is away, and goes on when it is back', async () => {
    const proxy = await startTcpProxy(fixture.url);
    const port = Number(new URL(proxy.url).port);
    const database = connectDatabase({ ...TEST_CONNECTION, url: proxy.url });
    const topic = await broker.createTopic();
    const feed = startFeed(database, { topics: [topic] });
    await broker.send(topic, [upsertMessage(environment.key, 'a')]);
    await untilDrained(fixture.database, topic);
    await proxy.close();
    await broker.send(topic, [upsertMessage(environment.key, 'b')]);
    await eventually(() => {
      expect(feed.partition()).toMatchObject({
        state: 'waiting',
        reason: expect.stringContaining('database') as unknown,
      });
    });
    const again = await startTcpProxy(fixture.url, port);
    await untilDrained(fixture.database, topic);
    expect(await identifiers()).toEqual(['a', 'b']);
    await eventually(() => {
      expect(feed.partition()).toMatchObject({ state: 'running', reason: '', lagMessages: 0 });
      expect(feed.feed.status()).toMatchObject({ state: 'running' });
    });
    expect(feed.applied.reduce((sum, { messages }) => sum + messages, 0)).toBe(2);
    await feed.stop();
    await database.close(1_000);
    await again.close();
  });

  it('starts while the database is away', async () => {
    const proxy = await startTcpProxy(fixture.url);
    const port = Number(new URL(proxy.url).port);
    await proxy.close();
    const database = connectDatabase({ ...TEST_CONNECTION, url: proxy.url });
    const topic = await broker.createTopic();
    const feed = startFeed(database, { topics: [topic] });
    await broker.send(topic, [upsertMessage(environment.key, 'a')]);
    await eventually(() => {
      expect(feed.feed.status()).toMatchObject({
        state: 'waiting',
        reason: expect.stringContaining('database') as unknown,
      });
    });
    const again = await startTcpProxy(fixture.url, port);
    await untilDrained(fixture.database, topic);
    await feed.stop();
    await database.close(1_000);
    await again.close();
  });

  it('passes over what transactions leave on a topic, and applies none that was aborted', async () => {
    const topic = await broker.createTopic();
    const producer = broker.transactionalProducer(topic);
    await producer.connect();
    const transact = async (name: string, isCommitted: boolean): Promise<void> => {
      const transaction = await producer.transaction();
      const { key = null, value } = upsertMessage(environment.key, name);
      await transaction.send({ topic, messages: [{ key, value }] });
      await (isCommitted ? transaction.commit() : transaction.abort());
    };
    const feed = startFeed(fixture.database, { topics: [topic], batchChanges: 1 });
    for (const n of [1, 2, 3]) {
      await transact(`committed-${n}`, true);
      await transact(`aborted-${n}`, false);
      await eventually(async () => {
        expect(await identifiers()).toHaveLength(n);
      });
    }
    await producer.disconnect();
    expect(await identifiers()).toEqual(['committed-1', 'committed-2', 'committed-3']);
    const lastMs = Date.now();
    await eventually(() => {
      expect(feed.partition()).toMatchObject({ state: 'running', lagMessages: 0 });
      expect(feed.partition()?.watermarkMs).toBeGreaterThan(lastMs);
    });
    await feed.stop();
  });
});
