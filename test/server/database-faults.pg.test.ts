import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StreamMembersResponse } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { connectDatabase } from '../../src/storage/database.js';
import { createTestDatabase, startPrivatePostgres, TEST_CONNECTION } from '../helpers/postgres.js';
import type { PrivatePostgres, TestDatabase } from '../helpers/postgres.js';
import {
  all,
  apply,
  condition,
  eventually,
  identifiersOf,
  people,
  putSegment,
  readStream,
  reasonOf,
  refusal,
  segmentSelector,
  startTestRollcall,
  store,
  text,
  untilAnswered,
  upsert,
} from '../helpers/rollcall.js';
import type { ChangeInit, TestRollcall } from '../helpers/rollcall.js';
import { startTcpProxy } from '../helpers/tcp-proxy.js';
import type { TcpProxy } from '../helpers/tcp-proxy.js';

const everyone = segmentSelector('everyone');
const even = segmentSelector('even');
const latest = { level: { case: 'latest' as const, value: true } };
const PASSING = ['DATABASE_UNAVAILABLE', 'ATOM_BUILDING', 'CONFLICT'];
const passes = (error: unknown): boolean => PASSING.includes(reasonOf(error) ?? '');

async function prepare(server: TestRollcall): Promise<void> {
  await server.environments.create({ environment: { key: 'default' } });
  await putSegment(server, 'everyone', [all()]);
  await putSegment(server, 'even', [all(condition('even', 'EQUAL', 'yes'))]);
}

/** Reads a whole stream, going on from the last cursor each time it is cut. */
async function readInSpiteOfCuts({ membership }: TestRollcall, onMessage: () => void): Promise<string[]> {
  const messages: StreamMembersResponse[] = [];
  await eventually(async () => {
    for await (const message of membership.streamMembers({
      selector: everyone,
      cursor: messages.at(-1)?.cursor ?? '',
      strict: true,
    })) {
      messages.push(message);
      onMessage();
    }
  }, passes);
  return identifiersOf(messages);
}

/** Applies batches one after the other, each again until it is taken. */
async function applyInSpiteOfFaults(server: TestRollcall, batches: readonly ChangeInit[][]): Promise<number> {
  let faults = 0;
  for (const batch of batches) {
    await eventually(
      () => apply(server, batch),
      (error) => {
        faults += 1;
        return passes(error);
      },
    );
  }
  return faults;
}

async function expectVerified({ index }: TestRollcall): Promise<void> {
  expect((await eventually(() => index.verify({ environment: 'default' }), passes)).differences).toEqual([]);
}

describe('while the database is away', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let server: TestRollcall;

  beforeEach(async () => {
    database = await createTestDatabase();
    proxy = await startTcpProxy(database.url);
    server = await startTestRollcall(proxy.url, { maxStalenessMs: '1500' });
    await prepare(server);
  });

  afterEach(async () => {
    await server.stop();
    await proxy.close();
    await database.drop();
  });

  const takeAway = (): Promise<void> => proxy.close();
  const bringBack = async (): Promise<void> => {
    proxy = await startTcpProxy(database.url, Number(new URL(proxy.url).port));
  };

  it('reads go on from memory until they are too old; then it is right again by itself', async () => {
    await apply(server, people(10));
    const before = await server.membership.count({ selector: even, freshness: latest });
    expect(before.count).toBe(5n);
    await takeAway();
    const away = await server.membership.count({ selector: even });
    expect(away).toMatchObject({ count: 5n, revision: before.revision });
    const unavailable = { reason: 'DATABASE_UNAVAILABLE' };
    expect(await refusal(server.membership.count({ selector: even, freshness: latest }))).toMatchObject(unavailable);
    expect(await refusal(server.membership.sample({ selector: even }))).toMatchObject(unavailable);
    expect(await refusal(server.membership.listMembers({ selector: even }))).toMatchObject(unavailable);
    expect(await refusal(apply(server, people(1)))).toMatchObject(unavailable);
    expect(await refusal(server.segments.create({ segment: { key: 'new', rules: [] } }))).toMatchObject(unavailable);
    expect(await refusal(server.segments.get({ key: 'even' }))).toMatchObject(unavailable);
    expect(await refusal(server.environments.list({}))).toMatchObject(unavailable);
    expect(await refusal(server.index.getStatus({}))).toMatchObject(unavailable);
    expect((await fetch(`http://${server.httpAddress}/livez`)).status).toBe(200);
    expect((await fetch(`http://${server.httpAddress}/readyz`)).status).toBe(503);
    await eventually(async () => {
      expect(await refusal(server.membership.count({ selector: even }))).toMatchObject(unavailable);
    });
    const other = await startTestRollcall(database.url);
    await apply(other, people(20));
    await other.stop();
    await bringBack();
    await expect
      .poll(async () => (await eventually(() => server.membership.count({ selector: even }), passes)).count, {
        timeout: 5_000,
      })
      .toBe(10n);
    expect((await fetch(`http://${server.httpAddress}/readyz`)).status).toBe(200);
    expect(await apply(server, people(21))).toBeGreaterThan(before.revision);
    expect(server.warnings.filter((line) => line.includes('background work')).length).toBeLessThan(10);
  });

  it('streams, changes and builds that were under way are cut with a reason, and nothing of them is lost', async () => {
    await store(server, database, 60_000);
    await untilAnswered(() => server.membership.count({ selector: everyone, freshness: latest }));
    let messages = 0;
    const streaming = readInSpiteOfCuts(server, () => {
      messages += 1;
    });
    const batches = Array.from({ length: 30 }, (_, batch) => people(100, `batch-${batch}`));
    const applying = applyInSpiteOfFaults(server, batches);
    await server.segments.create({
      segment: { key: 'built', rules: [all(condition('$.identity.identifier', 'REGEX', '.*-[0-9]*7$'))] },
    });
    await expect.poll(() => messages, { interval: 5, timeout: 10_000 }).toBeGreaterThan(3);
    await takeAway();
    await sleep(300);
    await bringBack();
    const [members, faults] = await Promise.all([streaming, applying]);
    expect(faults).toBeGreaterThan(0);
    expect(members.filter((identifier) => identifier.startsWith('person-'))).toEqual(
      Array.from({ length: 60_000 }, (_, index) => `person-${index + 1}`),
    );
    const counted = await eventually(() => server.membership.count({ selector: everyone, freshness: latest }), passes);
    expect(counted.count).toBe(63_000n);
    const built = await eventually(
      () => server.membership.count({ selector: segmentSelector('built'), freshness: latest }),
      passes,
    );
    expect(built.count).toBe(6_000n + 30n * 10n);
    await expectVerified(server);
  });

  it('a server cannot start, and says why', async () => {
    await takeAway();
    await expect(startTestRollcall(proxy.url)).rejects.toMatchObject({ reason: 'DATABASE_UNAVAILABLE' });
    await bringBack();
  });
});

describe('a database that crashes', () => {
  let postgres: PrivatePostgres;
  let server: TestRollcall;

  beforeEach(async () => {
    postgres = await startPrivatePostgres();
    server = await startTestRollcall(postgres.url);
    await prepare(server);
  });

  afterEach(async () => {
    await server.stop();
    await postgres.stop();
  });

  async function crash(): Promise<void> {
    const pidFile = await readFile(join(postgres.dataDirectory, 'cluster', 'postmaster.pid'), 'utf8');
    process.kill(Number(pidFile.split('\n')[0]), 'SIGQUIT');
  }

  it('or ends our connections loses nothing that was acknowledged, and the service goes on by itself', async () => {
    const batches = Array.from({ length: 40 }, (_, batch) =>
      people(50, `batch-${batch % 8}`).map((change, n) =>
        n % 3 === batch % 3 ? change : upsert(`other-${batch}-${n}`, { even: text('yes') }),
      ),
    );
    const applying = applyInSpiteOfFaults(server, batches);
    const acknowledged: bigint[] = [];
    for (const fault of [crash, endConnections, endConnections, crash]) {
      await sleep(300);
      const revision = await eventually(
        () => apply(server, [upsert('witness', { at: text(String(acknowledged.length)) })]),
        passes,
      );
      acknowledged.push(revision);
      await fault();
    }
    await applying;
    const answer = await eventually(
      () =>
        server.membership.count({
          selector: everyone,
          freshness: { level: { case: 'atLeastRevision', value: acknowledged.at(-1) ?? 0n } },
        }),
      passes,
    );
    const expected = new Set(['witness', ...batches.flat().map(({ identifier }) => identifier)]).size;
    expect(answer.count).toBe(BigInt(expected));
    expect(identifiersOf(await eventually(() => readStream(server, { selector: everyone }), passes)).length).toBe(
      expected,
    );
    await expectVerified(server);
  });

  async function endConnections(): Promise<void> {
    const admin = connectDatabase({ ...TEST_CONNECTION, url: postgres.url });
    await admin.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'rollcall'`;
    await admin.close(1_000);
  }
});
