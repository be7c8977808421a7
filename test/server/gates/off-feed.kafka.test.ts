import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type FlagdServer, only, startFlagd } from '../../helpers/flagd-server.js';
import { connectTestBroker, type TestBroker, untilDrained, upsertMessage } from '../../helpers/kafka-feed.js';
import { createTestDatabase, type TestDatabase } from '../../helpers/postgres.js';
import {
  all,
  eventually,
  refusal,
  segmentSelector,
  startTestRollcall,
  type TestRollcall,
} from '../../helpers/rollcall.js';
import { readExposition, valueOf } from '../metrics/exposition.js';

let database: TestDatabase;
let broker: TestBroker;
let flagd: FlagdServer;
let server: TestRollcall;
let topic: string;

beforeAll(async () => {
  [database, broker, flagd] = await Promise.all([
    createTestDatabase(),
    connectTestBroker(),
    startFlagd(only('acme', 'other')),
  ]);
  topic = await broker.createTopic(1);
  server = await startTestRollcall(database.url, {
    ...{ flagProvider: 'flagd', flagdHost: '127.0.0.1', flagdPort: String(flagd.port), gateIntervalMs: '200' },
    kafkaBrokers: inject('kafkaBrokers').join(','),
    kafkaTopics: topic,
    kafkaGroup: randomUUID(),
  });
  for (const key of ['acme', 'other']) await server.environments.create({ environment: { key, organisation: key } });
  await server.segments.create({ segment: { key: 'all', rules: [all()] } });
});

afterAll(async () => {
  await server.stop();
  flagd.stop();
  await Promise.all([database.drop(), broker.close()]);
});

const count = async (environment: string): Promise<number> => {
  const freshness = { level: { case: 'latest' as const, value: true } };
  return Number((await server.membership.count({ selector: segmentSelector('all', environment), freshness })).count);
};

const send = (from: number, to: number) =>
  broker.send(
    topic,
    Array.from({ length: to - from }, (_, n) => from + n).flatMap((n) =>
      ['acme', 'other'].map((key) => upsertMessage(key, `person-${n}`, { n })),
    ),
  );

it('changes of an organisation that is off move the offset and are not stored, and then it must be reloaded', async () => {
  await send(0, 100);
  await untilDrained(database.db, topic);
  expect([await count('acme'), await count('other')]).toEqual([100, 100]);
  const over = new AbortController();
  const load = (async () => {
    let n = 100;
    while (!over.signal.aborted) await send(n, (n += 20));
    return n;
  })();
  flagd.letIn('other');
  await eventually(async () => expect((await refusal(count('acme'))).reason).toBe('INDEX_OFF'));
  await send(1_000_000, 1_000_050);
  over.abort();
  const sent = await load;
  await broker.send(topic, [{ key: 'acme:person-1', value: Buffer.from('garbage') }]);
  await untilDrained(database.db, topic);
  expect(await count('other')).toBe(sent + 50);
  const kept = await database.db.sql<{ count: number; late: number }[]>`
    select count(*)::int as count, (count(*) filter (where identifier like 'person-10000%'))::int as late from identity
    join environment on environment.id = environment_id where environment.key = 'acme'`;
  expect(kept[0]?.late).toBe(0);
  expect(kept[0]?.count).toBeLessThan(sent);
  expect([...(await database.db.sql`select from dead_letter`)]).toEqual([]);
  const page = readExposition(await (await fetch(`http://${server.httpAddress}/metrics`)).text());
  expect(valueOf(page, 'rollcall_changes_passed_over_total')).toBe(sent + 50 - (kept[0]?.count ?? 0));
  flagd.letIn('acme', 'other');
  await eventually(async () => expect((await refusal(count('acme'))).reason).toBe('RELOAD_REQUIRED'));
});
