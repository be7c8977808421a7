import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Environment } from '../../../src/storage/environments.js';
import { applyTo, createApplier, createFixture, createIndex, type Fixture, upsert } from '../../helpers/fixture.js';
import {
  connectTestBroker,
  eventually,
  startFeed,
  type TestBroker,
  type TestFeed,
  upsertMessage,
} from '../../helpers/kafka-feed.js';

let fixture: Fixture;
let environment: Environment;
let broker: TestBroker;
let feeds: TestFeed[];
beforeEach(async () => {
  fixture = await createFixture();
  environment = await fixture.environment();
  broker = await connectTestBroker();
  feeds = [];
});
afterEach(async () => {
  await Promise.all(feeds.map((feed) => feed.stop()));
  await broker.close();
  await fixture.drop();
});

async function start(topic: string): Promise<TestFeed> {
  const feed = startFeed(fixture.database, { topics: [topic], group: topic });
  feeds.push(feed);
  await feed.drained(topic);
  return feed;
}

/** What a process of its own, with no feed, says. */
async function asOf(): Promise<Date> {
  const index = createIndex(fixture.database, environment);
  await index.advance();
  return index.asOf;
}

describe('as_of', () => {
  it('moves on with the clock while every partition is applied to its end, without revisions', async () => {
    const revisions = async () => (await fixture.database.sql`select from atom_log`).length;
    const before = await revisions();
    await start(await broker.createTopic(3));
    const startMs = Date.now();
    for (const afterMs of [0, 1_500]) {
      await eventually(async () => {
        expect((await asOf()).getTime()).toBeGreaterThan(startMs + afterMs);
      });
    }
    expect((await asOf()).getTime()).toBeLessThanOrEqual(Date.now());
    expect(await revisions()).toBe(before);
  });

  it('stays at what was applied last where a partition is not applied to its end', async () => {
    const topic = await broker.createTopic(2);
    await (await start(topic)).stop();
    const stoppedMs = Date.now();
    const sentMs = stoppedMs - 60_000;
    await fixture.database.sql`update kafka_offset set watermark = to_timestamp(${sentMs / 1000}) where partition = 1`;
    await applyTo(createApplier(fixture.database), environment, upsert('a'));
    expect((await asOf()).getTime()).toBe(sentMs);
  });

  it('is the oldest of the watermarks, and an event dated 2099 moves none', async () => {
    const topic = await broker.createTopic(1, { 'message.timestamp.after.max.ms': String(2n ** 63n - 1n) });
    const feed = await start(topic);
    const future = upsertMessage(environment.key, 'future', {}, { timestampMs: Date.UTC(2099, 0) });
    await broker.send(topic, [future, upsertMessage(environment.key, 'now')]);
    await feed.drained(topic);
    // What a process tells of a watermark is what it last read.
    await eventually(() => {
      expect(feed.partition()?.watermarkMs).toBeLessThanOrEqual(Date.now());
      return Promise.resolve();
    });
    expect((await asOf()).getTime()).toBeLessThanOrEqual(Date.now());
    await feed.stop();
    await broker.send(topic, [{ ...future }]);
    await (await start(topic)).stop();
    const [row] = await fixture.database.sql<
      { isPast: boolean }[]
    >`select watermark <= now() as "isPast" from kafka_offset`;
    expect(row).toEqual({ isPast: true });
  });

  it('takes no part of topics that are no longer read, or of other clusters', async () => {
    const former = await broker.createTopic(1);
    const group = { group: 'moves' };
    const first = startFeed(fixture.database, { topics: [former], ...group });
    await first.drained(former);
    await first.stop();
    await fixture.database.sql`update kafka_offset set watermark = '2001-01-01'`;
    expect((await asOf()).getFullYear()).toBe(2001);
    const topic = await broker.createTopic(1);
    feeds.push(startFeed(fixture.database, { topics: [topic], ...group }));
    const startMs = Date.now();
    await eventually(async () => {
      expect((await asOf()).getTime()).toBeGreaterThan(startMs);
    });
  });

  it('is what the database holds, where there was never a feed', async () => {
    const beforeMs = Date.now() - 1;
    await applyTo(createApplier(fixture.database), environment, upsert('a'));
    expect((await asOf()).getTime()).toBeGreaterThan(beforeMs);
  });
});
