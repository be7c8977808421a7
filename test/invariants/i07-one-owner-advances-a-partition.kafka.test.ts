import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FeedOptions } from '../../src/indexing/kafka/feed-options.js';
import type { Environment } from '../../src/storage/environments.js';
import { createFixture, type Fixture, readTruth } from '../helpers/fixture.js';
import {
  connectTestBroker,
  eventually,
  setTraitsMessage,
  startFeed,
  type TestBroker,
  type TestFeed,
  untilDrained,
} from '../helpers/kafka-feed.js';

let fixture: Fixture;
let environment: Environment;
let broker: TestBroker;
let topic: string;
let feeds: TestFeed[];
beforeEach(async () => {
  fixture = await createFixture();
  environment = await fixture.environment();
  broker = await connectTestBroker();
  topic = await broker.createTopic(2);
  feeds = [];
});
afterEach(async () => {
  await Promise.all(feeds.map((feed) => feed.stop()));
  await broker.close();
  await fixture.drop();
});

function start(options: Partial<FeedOptions> = {}): TestFeed {
  const feed = startFeed(fixture.connect(), { topics: [topic], batchChanges: 7, maxBytes: 2_048, ...options });
  feeds.push(feed);
  return feed;
}

/** Changes of 20 identities, each in its order. */
async function send(from: number, count: number): Promise<void> {
  const messages = Array.from({ length: count }, (_, n) =>
    setTraitsMessage(environment.key, `identity-${(from + n) % 20}`, { n: from + n, [`k${n % 5}`]: n }),
  );
  await broker.send(topic, messages);
}

const appliedBy = ({ applied }: TestFeed): number => applied.reduce((sum, { messages }) => sum + messages, 0);
const lost = ({ lines }: TestFeed): boolean => lines.some((line) => line.includes('another owner advanced'));

async function lastTrait(): Promise<Record<string, string | undefined>> {
  const { identities } = await readTruth(fixture.database, environment);
  return Object.fromEntries(identities.map(({ identifier, traits }) => [identifier, traits.get('n')]));
}

describe('I7: only one owner can advance a partition', () => {
  it('so two owners of the same partitions together apply each message once', async () => {
    await send(0, 300);
    // Each group is given every partition, as a process is that does not know yet that it lost them.
    const [one, other] = [start({ group: `one-${topic}` }), start({ group: `other-${topic}` })];
    for (let round = 1; round <= 10; round++) await send(round * 300, 300);
    await untilDrained(fixture.database, topic);
    await eventually(() => {
      expect(appliedBy(one) + appliedBy(other)).toBe(3_300);
    });
    expect(lost(one) || lost(other)).toBe(true);
    const expected = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`identity-${n}`, String(3_280 + n)]));
    expect(await lastTrait()).toEqual(expected);
    expect(await fixture.database.sql`select from dead_letter`).toHaveLength(0);
  });

  it('and one that finds its partition advanced lets go of what it fetched and goes on from there', async () => {
    await send(0, 20);
    const feed = start();
    await feed.drained(topic);
    const before = appliedBy(feed);
    const ends = await broker.admin.fetchTopicOffsets(topic);
    // The next five messages of each partition are another's.
    for (const { partition, high } of ends)
      await fixture.database
        .sql`update kafka_offset set next_offset = ${Number(high) + 5}, owner = 'another' where topic = ${topic} and partition = ${partition}`;
    const perPartition = (partition: number, count: number) =>
      Array.from({ length: count }, (_, n) =>
        setTraitsMessage(environment.key, `later-${partition}-${n}`, { n }, { partition }),
      );
    await broker.send(topic, [...perPartition(0, 8), ...perPartition(1, 8)]);
    await feed.drained(topic);
    await eventually(() => {
      expect(appliedBy(feed) - before).toBe(6);
    });
    const { identities } = await readTruth(fixture.database, environment);
    const later = identities.map(({ identifier }) => identifier).filter((identifier) => identifier.startsWith('later'));
    expect(later.sort()).toEqual(['later-0-5', 'later-0-6', 'later-0-7', 'later-1-5', 'later-1-6', 'later-1-7']);
    expect(lost(feed)).toBe(true);
  });
});
