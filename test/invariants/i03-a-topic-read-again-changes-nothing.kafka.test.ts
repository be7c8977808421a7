import {
  assert,
  asyncProperty,
  constantFrom,
  integer,
  nat,
  record,
  uniqueArray,
  array,
  oneof,
  constant,
} from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Environment } from '../../src/storage/environments.js';
import { createFixture, type Fixture, readTruth } from '../helpers/fixture.js';
import {
  connectTestBroker,
  deleteMessage,
  setTraitsMessage,
  startFeed,
  type TestBroker,
  type TestMessage,
  upsertMessage,
} from '../helpers/kafka-feed.js';

let fixture: Fixture;
let broker: TestBroker;
beforeAll(async () => {
  fixture = await createFixture();
  broker = await connectTestBroker();
});
afterAll(async () => {
  await broker.close();
  await fixture.drop();
});

const identifier = constantFrom('a', 'b', 'c', 'd');
const traits = uniqueArray(constantFrom('x', 'y', 'z'), { maxLength: 3 }).chain((keys) =>
  nat(9).map((value) => Object.fromEntries(keys.map((key) => [key, value]))),
);
const step = oneof(
  record({ kind: constant('upsert' as const), identifier, traits }),
  record({ kind: constant('set' as const), identifier, traits }),
  record({ kind: constant('delete' as const), identifier, traits: constant({}) }),
);

function messageOf(
  environment: Environment,
  { kind, identifier: name, traits: of }: { kind: string; identifier: string; traits: Record<string, number> },
): TestMessage {
  if (kind === 'upsert') return upsertMessage(environment.key, name, of);
  return kind === 'set' ? setTraitsMessage(environment.key, name, of) : deleteMessage(environment.key, name);
}

async function state(environment: Environment) {
  const { identities } = await readTruth(fixture.database, environment);
  return identities
    .map(({ identifier: name, traits: of }) => [name, [...of].sort()])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
}

describe('I3: reading a topic again changes nothing', () => {
  it('from any offset, once it is read to its end', async () => {
    await assert(
      asyncProperty(
        array(step, { minLength: 1, maxLength: 40 }),
        integer({ min: 0, max: 40 }),
        integer({ min: 1, max: 9 }),
        async (steps, back, batchChanges) => {
          const environment = await fixture.environment();
          const topic = await broker.createTopic(1);
          await broker.send(
            topic,
            steps.map((of) => messageOf(environment, of)),
          );
          const read = async (): Promise<void> => {
            const feed = startFeed(fixture.database, { topics: [topic], group: topic, batchChanges });
            await feed.drained(topic);
            await feed.stop();
          };
          await read();
          const before = await state(environment);
          await fixture.database
            .sql`update kafka_offset set next_offset = ${Math.max(0, steps.length - back)} where topic = ${topic}`;
          await read();
          expect(await state(environment)).toEqual(before);
        },
      ),
      { numRuns: 6 },
    );
  });
});
