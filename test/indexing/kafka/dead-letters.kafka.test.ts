import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FeedOptions } from '../../../src/indexing/kafka/feed-options.js';
import { type DeadLetter, expireDeadLetters } from '../../../src/storage/dead-letters.js';
import type { Environment } from '../../../src/storage/environments.js';
import { readQuarantine } from '../../../src/storage/quarantine.js';
import { readDeadLetters } from '../../helpers/dead-letters.js';
import { createFixture, type Fixture, readTruth } from '../../helpers/fixture.js';
import {
  connectTestBroker,
  deleteMessage,
  eventually,
  setTraitsMessage,
  startFeed,
  type TestBroker,
  type TestFeed,
  type TestMessage,
  upsertMessage,
} from '../../helpers/kafka-feed.js';

let fixture: Fixture;
let environment: Environment;
let broker: TestBroker;
let topic: string;
let feeds: TestFeed[];
beforeEach(async () => {
  fixture = await createFixture();
  environment = await fixture.environment();
  broker = await connectTestBroker();
  topic = await broker.createTopic(1, { 'max.message.bytes': '15000000' });
  feeds = [];
});
afterEach(async () => {
  await Promise.all(feeds.map((feed) => feed.stop()));
  await broker.close();
  await fixture.drop();
});

function start(options: Partial<FeedOptions> = {}): TestFeed {
  const feed = startFeed(fixture.database, { topics: [topic], ...options });
  feeds.push(feed);
  return feed;
}

/** Puts messages on the topic in one batch and has them applied; the dead letters. */
async function apply(messages: readonly TestMessage[]): Promise<readonly DeadLetter[]> {
  await broker.send(topic, messages);
  await (feeds[0] ?? start()).drained(topic);
  return readDeadLetters(fixture.database.sql);
}

async function identifiers(): Promise<string[]> {
  return (await readTruth(fixture.database, environment)).identities.map(({ identifier }) => identifier).sort();
}

async function quarantined(): Promise<string[]> {
  const { first } = await readQuarantine(fixture.database.sql, environment.id, 1_000);
  return first.map(({ identifier }) => identifier).sort();
}

const garbage = (key: string | null): TestMessage => ({ key, value: Buffer.from([0xff, 0xff, 0x00, 0x07]) });

/** Has Postgres fail whenever an identity with this identifier is written. */
async function poison(identifier: string): Promise<void> {
  await fixture.database.sql.unsafe(`
    create function refuse() returns trigger language plpgsql as $$
    begin
      if new.identifier like '${identifier}' then raise exception 'a fault' using errcode = 'XX001'; end if;
      return new;
    end $$;
    create trigger refuse before insert or update on identity for each row execute function refuse();`);
}

describe('a message that cannot be applied', () => {
  it('is kept as it came, with where it was and why, and the rest is applied', async () => {
    const sentMs = Date.now() - 1_000;
    const letters = await apply([
      upsertMessage(environment.key, 'a'),
      { ...garbage(`${environment.key}:b`), headers: { trace: 'abc\0' }, timestampMs: sentMs },
      upsertMessage(environment.key, 'c'),
    ]);
    expect(letters).toHaveLength(1);
    expect(letters[0]).toMatchObject({
      ...{ topic, partition: 0, offset: 1, timestampMs: sentMs, environmentKey: environment.key, identifier: 'b' },
      key: Buffer.from(`${environment.key}:b`),
      value: Buffer.from([0xff, 0xff, 0x00, 0x07]),
      headers: { trace: 'abc\ufffd' },
      reason: 'INVALID_REQUEST',
    });
    expect(await identifiers()).toEqual(['a', 'c']);
    expect(feeds[0]?.partition()).toMatchObject({ messagesApplied: 3, deadLettered: 1, nextOffset: 3 });
  });

  it('may be one of 10 MB, or have an empty value, a key of any bytes, or none', async () => {
    const bytes = Buffer.from([0x00, 0xc3, 0x28, 0x3a, 0x00]);
    const letters = await apply([
      { key: null, value: Buffer.alloc(10_000_000, 'x') },
      { key: `${environment.key}:e`, value: Buffer.alloc(0) },
      { key: bytes, value: Buffer.from('{"op":') },
      { key: bytes, value: null },
      upsertMessage(environment.key, 'a'),
    ]);
    expect(letters.map(({ offset, value }) => [offset, value?.length])).toEqual([
      [0, 10_000_000],
      [1, 0],
      [2, 6],
      [3, undefined],
    ]);
    expect(await identifiers()).toEqual(['a']);
  });

  it('may be of an environment that does not exist: events create none', async () => {
    const letters = await apply([upsertMessage('nowhere', 'a'), upsertMessage(environment.key, 'a')]);
    expect(letters).toMatchObject([{ reason: 'ENVIRONMENT_NOT_FOUND', environmentKey: 'nowhere', identifier: 'a' }]);
    expect(await identifiers()).toEqual(['a']);
    expect(await fixture.database.sql`select from environment`).toHaveLength(1);
    expect(await quarantined()).toEqual([]);
  });

  it('may be one that the applier refuses', async () => {
    const given = await fixture.environment({ ordinalMode: 'given' });
    const letters = await apply([upsertMessage(given.key, 'without-an-id'), upsertMessage(environment.key, 'a')]);
    expect(letters).toMatchObject([{ reason: 'IDENTITY_ID_REQUIRED', environmentKey: given.key }]);
  });

  it('may be one that makes Postgres fail: it is found among the others, and they are applied', async () => {
    await poison('poison%');
    const names = Array.from({ length: 300 }, (_, n) => `name-${n}`);
    const letters = await apply([
      ...names.slice(0, 100).map((name) => upsertMessage(environment.key, name)),
      upsertMessage(environment.key, 'poison-1'),
      ...names.slice(100, 200).map((name) => upsertMessage(environment.key, name)),
      upsertMessage(environment.key, 'poison-2'),
      ...names.slice(200).map((name) => upsertMessage(environment.key, name)),
    ]);
    expect(letters).toMatchObject([
      { offset: 100, reason: 'INTERNAL', identifier: 'poison-1' },
      { offset: 201, reason: 'INTERNAL', identifier: 'poison-2' },
    ]);
    expect(await identifiers()).toEqual(names.sort());
    expect(await quarantined()).toEqual(['poison-1', 'poison-2']);
  });

  it('does not take all others with it: where every message fails, the partition is stopped instead', async () => {
    await poison('%');
    const feed = start();
    await broker.send(
      topic,
      Array.from({ length: 40 }, (_, n) => upsertMessage(environment.key, `name-${n}`)),
    );
    await eventually(() => {
      expect(feed.partition()).toMatchObject({ state: 'stopped' });
    });
    expect(feed.partition()?.reason).toContain('cannot be applied any further');
    expect(feed.partition()?.deadLettered).toBe(20);
    await fixture.database.sql.unsafe('drop trigger refuse on identity');
    await feed.stop();
    feeds = [];
    await start().drained(topic);
    expect(await identifiers()).toHaveLength(20);
  });

  it('is sent to a topic too, where one is configured', async () => {
    const letterTopic = await broker.createTopic();
    start({ deadLetterTopic: letterTopic });
    await apply([{ ...garbage('some:key'), headers: { trace: 'abc' } }]);
    const received = broker.client.consumer({ group: topic, maxBytesPerPartition: 1024, maxWaitMs: 100 });
    await received.connect();
    await received.subscribe({ topics: [letterTopic], fromBeginning: true });
    const message = await new Promise<{ value: Buffer | null; headers: unknown }>((resolve) => {
      void received.run({
        eachMessage: ({ message: { value, headers } }) => {
          resolve({ value, headers });
          return Promise.resolve();
        },
      });
    });
    await received.disconnect();
    expect(message.value).toEqual(Buffer.from([0xff, 0xff, 0x00, 0x07]));
    expect(message.headers).toMatchObject({
      trace: Buffer.from('abc'),
      'rollcall-topic': Buffer.from(topic),
      'rollcall-offset': Buffer.from('0'),
      'rollcall-reason': Buffer.from('INVALID_REQUEST'),
    });
  });

  it('is kept for as long as is configured', async () => {
    await apply([garbage(null), garbage(null)]);
    const { sql } = fixture.database;
    await sql`update dead_letter set created_at = now() - interval '2 days' where message_offset = 0`;
    expect(await expireDeadLetters(sql, 3 * 86_400_000, 100)).toBe(0);
    expect(await expireDeadLetters(sql, 86_400_000, 100)).toBe(1);
    expect(await readDeadLetters(sql)).toMatchObject([{ offset: 1 }]);
  });
});

describe('an identity of which a message was skipped', () => {
  it('is quarantined, by its key where the message cannot be read', async () => {
    await apply([garbage(`${environment.key}:a`), garbage(`${environment.key}:with:colons`), garbage('nowhere:x')]);
    expect(await quarantined()).toEqual(['a', 'with:colons']);
  });

  it('stays so after a partial change, and is mended by a full state or a deletion', async () => {
    const skip = ['a', 'b', 'c'].map((name) => garbage(`${environment.key}:${name}`));
    await apply(skip);
    await apply([setTraitsMessage(environment.key, 'a', { n: 1 })]);
    expect(await quarantined()).toEqual(['a', 'b', 'c']);
    await apply([upsertMessage(environment.key, 'b'), deleteMessage(environment.key, 'c')]);
    expect(await quarantined()).toEqual(['a']);
  });

  it('is mended by what comes after in the same batch, and not by what came before', async () => {
    const skip = (name: string) => garbage(`${environment.key}:${name}`);
    await apply([
      ...[upsertMessage(environment.key, 'before'), skip('before')],
      ...[skip('after'), upsertMessage(environment.key, 'after')],
      ...[skip('partial'), setTraitsMessage(environment.key, 'partial', { n: 1 })],
      ...[skip('deleted'), deleteMessage(environment.key, 'deleted')],
      ...[skip('again'), upsertMessage(environment.key, 'again'), skip('again')],
    ]);
    expect(await quarantined()).toEqual(['again', 'before', 'partial']);
  });
});
