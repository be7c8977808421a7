import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RollcallError } from '../../src/core/errors.js';
import type { IdentitySource, SourcePage } from '../../src/core/source.js';
import { flagsmithIdentitySource } from '../../src/sources/flagsmith/flagsmith-identities.js';
import { connectDatabase, inTransaction } from '../../src/storage/database.js';
import { collect, createFlagsmith, type Flagsmith, insertIdentities } from '../helpers/flagsmith.js';
import { TEST_CONNECTION } from '../helpers/postgres.js';
import { startTcpProxy } from '../helpers/tcp-proxy.js';

const COUNT = 100;
const ALL = Array.from({ length: COUNT }, (_, n) => n + 1);
const NEVER = new AbortController().signal;

let flagsmith: Flagsmith;
beforeEach(async () => {
  flagsmith = await createFlagsmith();
  await insertIdentities(flagsmith.sql, 1, 1, COUNT);
});
afterEach(() => flagsmith.drop());

const source = (pageSize = 10): IdentitySource => flagsmith.source({ environmentId: 1, pageSize });

async function endBackends(): Promise<void> {
  await flagsmith.sql`select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'rollcall' and datname = current_database()`;
}

async function runningStatements(): Promise<number> {
  const [row] = await flagsmith.sql<{ count: number }[]>`select count(*)::int as count from pg_stat_activity
    where application_name = 'rollcall' and datname = current_database() and state = 'active'`;
  return row?.count ?? 0;
}

/** Until one of our statements waits for a lock, in a backend other than `ended`; that backend. */
async function untilRunning(ended: readonly number[] = []): Promise<number> {
  for (let tries = 0; tries < 1_000; tries++) {
    const waiting = await flagsmith.sql<{ pid: number }[]>`select pid from pg_stat_activity
      where application_name = 'rollcall' and datname = current_database() and wait_event_type = 'Lock'`;
    const other = waiting.find(({ pid }) => !ended.includes(pid));
    if (other !== undefined) return other.pid;
    await delay(10);
  }
  throw new Error('no statement waits');
}

/** While `work` runs, whoever reads traits waits. */
async function whileTraitsAreLocked(work: () => Promise<void>): Promise<void> {
  const database = connectDatabase({ ...TEST_CONNECTION, url: flagsmith.url });
  try {
    await inTransaction(database, { isolation: 'read committed' }, async (tx) => {
      await tx`lock table environments_trait in access exclusive mode`;
      await work();
    });
  } finally {
    await database.close(1_000);
  }
}

/** Unlike `AbortSignal.timeout` it fires, too, where others only follow it by `AbortSignal.any`, which does not keep it from being collected. */
function abortedAfter(ms: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new DOMException('too late', 'TimeoutError')), ms);
  return controller.signal;
}

interface PartlyRead {
  readonly ids: number[];
  readonly cursor: string | undefined;
  readonly error: unknown;
}

const idsOf = (page: SourcePage): number[] => page.identities.map(({ id = 0 }) => id);

/** Reads until it ends or fails; before each page but the first, `between` happens. */
async function readUntilFailure(from: IdentitySource, between: (page: number) => Promise<void>): Promise<PartlyRead> {
  const ids: number[] = [];
  let cursor: string | undefined;
  let pages = 0;
  try {
    for await (const page of from.pages(undefined, NEVER)) {
      ids.push(...idsOf(page));
      cursor = page.cursor;
      await between(++pages);
    }
    return { ids, cursor, error: undefined };
  } catch (error) {
    return { ids, cursor, error };
  }
}

function expectUnavailable(error: unknown): void {
  expect(error).toBeInstanceOf(RollcallError);
  expect(error).toMatchObject({ reason: 'SOURCE_UNAVAILABLE' });
  const { hostname, port, password } = new URL(flagsmith.url);
  for (const secret of [hostname, `:${port}`, password, 'select', 'postgres://'])
    if (secret !== '') expect(String(error)).not.toContain(secret);
}

async function expectTheRest({ ids, cursor }: PartlyRead): Promise<void> {
  expect(ids.length).toBeGreaterThan(0);
  expect(ids.length).toBeLessThan(COUNT);
  const rest = await collect(source(), cursor);
  expect([...ids, ...rest.identities.map(({ id = 0 }) => id)]).toEqual(ALL);
}

describe('a fault that passes', () => {
  it('is gone over: all backends end between any two pages, and each identity comes once', async () => {
    const { ids, error } = await readUntilFailure(source(), endBackends);
    expect(error).toBeUndefined();
    expect(ids).toEqual(ALL);
  });

  it('is gone over in the middle of a statement', async () => {
    let reading: Promise<PartlyRead> | undefined;
    await whileTraitsAreLocked(async () => {
      reading = readUntilFailure(source(COUNT), () => Promise.resolve());
      const first = await untilRunning();
      await endBackends();
      expect(await untilRunning([first])).not.toBe(first);
    });
    expect(await reading).toMatchObject({ ids: ALL, error: undefined });
  });

  it('is gone over when every connection is cut without a word', async () => {
    const proxy = await startTcpProxy(flagsmith.url);
    const database = flagsmith.open({ url: proxy.url });
    const cut = flagsmithIdentitySource(database, { environmentKey: 'env-1', environmentId: 1, pageSize: 10 });
    const read = await readUntilFailure(cut, () => {
      proxy.cutConnections();
      return Promise.resolve();
    });
    expect(read).toMatchObject({ ids: ALL, error: undefined });
    await proxy.close();
  });
});

describe('a fault that lasts', () => {
  it('ends the reading as SOURCE_UNAVAILABLE, and the cursor resumes it without a loss or a repetition', async () => {
    const name = new URL(flagsmith.url).pathname.slice(1);
    const server = connectDatabase({ ...TEST_CONNECTION, url: new URL('/postgres', flagsmith.url).href });
    const read = await readUntilFailure(source(), async (page) => {
      if (page !== 3) return;
      await server.sql.unsafe(`alter database ${name} with allow_connections false`);
      await endBackends();
    });
    expectUnavailable(read.error);
    await server.sql.unsafe(`alter database ${name} with allow_connections true`);
    await expectTheRest(read);
    await server.close(1_000);
  });

  it('may be a server that stops answering', async () => {
    const proxy = await startTcpProxy(flagsmith.url);
    const short = { statementTimeoutMs: 300, networkGraceMs: 100, connectTimeoutMs: 400 };
    const database = flagsmith.open({ url: proxy.url, ...short });
    const frozen = flagsmithIdentitySource(database, { environmentKey: 'env-1', environmentId: 1, pageSize: 10 });
    const read = await readUntilFailure(frozen, async (page) => {
      if (page === 3) proxy.freeze();
      return Promise.resolve();
    });
    expectUnavailable(read.error);
    await expectTheRest(read);
    await proxy.close();
  });

  it('may be a database that was dropped', async () => {
    const name = new URL(flagsmith.url).pathname.slice(1);
    const server = connectDatabase({ ...TEST_CONNECTION, url: new URL('/postgres', flagsmith.url).href });
    const read = await readUntilFailure(source(), async (page) => {
      if (page === 3) await server.sql.unsafe(`drop database ${name} with (force)`);
    });
    expectUnavailable(read.error);
    expect(read.ids.length).toBeGreaterThan(0);
    await server.close(1_000);
  });

  it('may be an address where nobody is, a password that is wrong or a text that is no URL', async () => {
    const wrong = new URL(flagsmith.url);
    wrong.password = 'wrong-password';
    wrong.username = 'nobody';
    for (const url of ['postgres://someone:secret@127.0.0.1:1/flagsmith', wrong.href, 'no url: secret']) {
      const database = flagsmith.open({ url, retries: 1 });
      const from = flagsmithIdentitySource(database, { environmentKey: 'env-1', environmentId: 1 });
      const { error } = await readUntilFailure(from, () => Promise.resolve());
      expectUnavailable(error);
      expect(String(error)).not.toMatch(/secret|wrong-password|nobody/);
    }
  });

  it('is INVALID_DOCUMENT, at once, where the database is another or may not be read', async () => {
    await flagsmith.sql`alter table environments_trait drop column float_value`;
    const { error } = await readUntilFailure(source(), () => Promise.resolve());
    expect(error).toMatchObject({ reason: 'INVALID_DOCUMENT' });
    expect(String(error)).toContain('environments_trait.float_value');
  });
});

describe('cancelling', () => {
  it('ends the reading at once with the reason of the signal, and the statement in Postgres', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    await whileTraitsAreLocked(async () => {
      const reading = collect(source(), undefined, controller.signal);
      reading.catch(() => undefined);
      await untilRunning();
      const abortedAt = performance.now();
      controller.abort(reason);
      await expect(reading).rejects.toBe(reason);
      expect(performance.now() - abortedAt).toBeLessThan(500);
      for (let tries = 0; tries < 200 && (await runningStatements()) > 0; tries++) await delay(10);
      expect(await runningStatements()).toBe(0);
    });
  });

  it('ends a wait for the rate, and one for a server that is away', async () => {
    const slow = flagsmith.source({ environmentId: 1, rowsPerSecond: 0.01 });
    await expect(collect(slow, undefined, abortedAfter(300))).rejects.toMatchObject({ name: 'TimeoutError' });
    const database = flagsmith.open({ url: 'postgres://127.0.0.1:1/away', retries: 8 });
    const away = flagsmithIdentitySource(database, { environmentKey: 'env-1', environmentId: 1 });
    await expect(away.estimate(abortedAfter(300))).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('leaves nothing running when the reader stops early or the database is closed', async () => {
    for await (const page of source().pages(undefined, NEVER)) {
      expect(page.identities).toHaveLength(10);
      break;
    }
    const database = flagsmith.open();
    const closed = flagsmithIdentitySource(database, { environmentKey: 'env-1', environmentId: 1, pageSize: 10 });
    const read = await readUntilFailure(closed, async (page) => {
      if (page === 2) await database.close();
    });
    expectUnavailable(read.error);
    expect(await runningStatements()).toBe(0);
  });
});

describe('the session', () => {
  it('cannot write', async () => {
    const database = flagsmith.open();
    const statement = { text: 'create table intruder ()', parameters: [] };
    await expect(database.ask(() => statement, NEVER)).rejects.toMatchObject({ reason: 'SOURCE_UNAVAILABLE' });
    const [row] = await flagsmith.sql<{ found: string | null }[]>`select to_regclass('intruder')::text as found`;
    expect(row?.found).toBeNull();
  });

  it('reads one page ahead, and no further', async () => {
    const seen: (string | undefined)[] = [];
    for await (const page of source().pages(undefined, NEVER)) {
      seen.push(page.identities[0]?.traits.get('plan'));
      if (seen.length > 1) continue;
      await delay(300);
      await flagsmith.sql`update environments_trait set string_value = 'changed' where trait_key = 'plan'`;
    }
    expect(seen.slice(0, 2)).toEqual(['"plan 1"', '"plan 2"']);
    expect(new Set(seen.slice(2))).toEqual(new Set(['"changed"']));
  });
});
