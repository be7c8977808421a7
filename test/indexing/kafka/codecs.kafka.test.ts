import { compress } from 'snappy';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { snappyCodec } from '../../../src/indexing/kafka/codecs.js';
import { createFixture, type Fixture, readTruth } from '../../helpers/fixture.js';
import { connectTestBroker, startFeed, type TestBroker, upsertMessage } from '../../helpers/kafka-feed.js';

let fixture: Fixture;
let broker: TestBroker;
beforeEach(async () => {
  fixture = await createFixture();
  broker = await connectTestBroker();
});
afterEach(async () => {
  await broker.close();
  await fixture.drop();
});

describe('batches of messages', () => {
  it.each(['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'])('that are %s are read', async (codec) => {
    const environment = await fixture.environment();
    // The broker packs them anew, as Java's producers do.
    const topic = await broker.createTopic(1, { 'compression.type': codec });
    const names = Array.from({ length: 3_000 }, (_, n) => `identity-${n}-${'x'.repeat(n % 50)}`);
    await broker.send(
      topic,
      names.map((name, n) => upsertMessage(environment.key, name, { n, text: 'the same again and again' })),
    );
    const feed = startFeed(fixture.database, { topics: [topic] });
    await feed.drained(topic);
    await feed.stop();
    const { identities } = await readTruth(fixture.database, environment);
    expect(identities.map(({ identifier }) => identifier).sort()).toEqual(names.sort());
    expect(await fixture.database.sql`select from dead_letter`).toHaveLength(0);
  });

  it('that are snappy without blocks, as librdkafka writes them, are read', async () => {
    const records = Buffer.from('some records '.repeat(5_000));
    expect(await snappyCodec.decompress(await compress(records))).toEqual(records);
  });
});
