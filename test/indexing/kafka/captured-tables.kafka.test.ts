import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Environment } from '../../../src/storage/environments.js';
import { readTotals } from '../../../src/storage/totals.js';
import { createFixture, type Fixture, readTruth } from '../../helpers/fixture.js';
import {
  connectTestBroker,
  eventually,
  startFeed,
  type TestBroker,
  type TestMessage,
} from '../../helpers/kafka-feed.js';
import { eventOf, type SourceEvent } from '../capture/source-tables.js';

const IDENTITIES = 1_200;
let fixture: Fixture;
let environment: Environment;
let broker: TestBroker;
beforeEach(async () => {
  fixture = await createFixture();
  environment = await fixture.environment({ ordinalMode: 'given' });
  broker = await connectTestBroker();
});
afterEach(async () => {
  await broker.close();
  await fixture.drop();
});

const message = ({ key, value }: SourceEvent, partition = 0): TestMessage => ({
  key,
  value: Buffer.from(value),
  partition,
});

function identityRow(id: number): TestMessage {
  const after = {
    id,
    identifier: `user-${id}`,
    environment_id: 7,
    created_date: '2026-01-01T00:00:00Z',
    system_traits: {},
  };
  return message(eventOf('environments_identity', 'r', { after }), id % 2);
}

describe('tables that are captured', () => {
  it('wait for their environment on another topic, and come in by themselves once it is known, as one process and as the next', async () => {
    const identities = await broker.createTopic(2);
    const others = await broker.createTopic(1);
    await broker.send(
      identities,
      Array.from({ length: IDENTITIES }, (_, index) => identityRow(index + 1)),
    );
    const first = startFeed(fixture.database, { topics: [identities, others], group: 'capture' });
    await first.drained(identities);
    expect((await readTruth(fixture.database, environment)).identities).toEqual([]);
    expect((await readTotals(fixture.database.sql)).waitingCaptures).toBe(IDENTITIES);
    await first.stop();
    const second = startFeed(fixture.database, { topics: [identities, others], group: 'capture' });
    const known = { id: 7, api_key: environment.key, name: 'Env', project_id: 1 };
    await broker.send(others, [message(eventOf('environments_environment', 'c', { after: known }))]);
    await eventually(async () => {
      expect((await readTotals(fixture.database.sql)).waitingCaptures).toBe(0);
    });
    const stored = await readTruth(fixture.database, environment);
    expect(stored.identities.map(({ id, identifier }) => `${id} ${identifier}`).sort()).toEqual(
      Array.from({ length: IDENTITIES }, (_, index) => `${index + 1} user-${index + 1}`).sort(),
    );
    await second.stop();
  });
});
