import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RollcallError } from '../../src/core/errors.js';
import { ConnectionLease } from '../../src/storage/connections/connection-lease.js';
import { checkServerVersion, connectDatabase, inTransaction, runCancellable } from '../../src/storage/database.js';
import type { Database, Sql } from '../../src/storage/database.js';
import { toRollcallError } from '../../src/storage/database-errors.js';
import { openDriver } from '../../src/storage/connections/driver.js';
import { createTestDatabase, TEST_CONNECTION } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';
import { startTcpProxy } from '../helpers/tcp-proxy.js';

let own: TestDatabase;
let db: Database;

beforeAll(async () => {
  own = await createTestDatabase();
  ({ db } = own);
  await db.sql`create table note (id int primary key, text text)`;
});
afterAll(() => own.drop());

const READ_COMMITTED = { isolation: 'read committed' } as const;

async function backendOf(sql: Sql): Promise<number> {
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
  return row?.pid ?? 0;
}

async function terminate(pid: number): Promise<void> {
  await db.sql`select pg_terminate_backend(${pid}, 5000)`;
}

async function notes(): Promise<number[]> {
  return (await db.sql<{ id: number }[]>`select id from note order by id`).map(({ id }) => id);
}

async function reasonOf(work: PromiseLike<unknown>): Promise<string> {
  try {
    await work;
    return 'none';
  } catch (error) {
    return error instanceof RollcallError ? error.reason : `not a RollcallError: ${String(error)}`;
  }
}

async function untilRunning(text: string): Promise<number> {
  for (;;) {
    const [row] = await db.sql<
      { pid: number }[]
    >`select pid from pg_stat_activity where state = 'active' and query like ${`${text}%`}`;
    if (row !== undefined) return row.pid;
  }
}

describe('work that a failed transaction leaves behind', () => {
  test('runs no statement after the rollback, where it would commit by itself', async () => {
    const left: Promise<unknown>[] = [];
    const goOn = async (tx: Sql): Promise<void> => {
      for (let id = 900; id < 1_000; id++) await tx`insert into note (id) values (${id})`;
    };
    const failed = inTransaction(db, READ_COMMITTED, async (tx) => {
      const going = goOn(tx);
      going.catch(() => undefined);
      left.push(going);
      await tx`select 1`;
      throw new Error('on purpose');
    });
    await expect(failed).rejects.toThrow('on purpose');
    await expect(Promise.all(left)).rejects.toMatchObject({ reason: 'DATABASE_UNAVAILABLE' });
    expect((await notes()).filter((id) => id >= 900)).toEqual([]);
  });
});

describe('values', () => {
  test('an int8 within 2^53 is a number, a larger one fails rather than lose digits', async () => {
    expect(await db.sql`select 9007199254740991::int8 as n, array[1, 2]::int8[] as list`).toEqual([
      { n: 9007199254740991, list: [1, 2] },
    ]);
    await expect(db.sql`select 9007199254740992::int8 as n`).rejects.toThrow('does not fit');
    expect(await db.sql`select 1 as still`).toEqual([{ still: 1 }]);
  });

  test('arrays of numbers and of any texts arrive as they were sent', async () => {
    const texts = ['', 'null', 'a,b', '{c}', 'd "e"', 'f\\g', ' h ', "i'j", '\n', 'ü𝄞', null];
    const [row] = await db.sql<{ texts: string; ids: number[] }[]>`
      select to_json(${db.sql.array(texts, 1009)}::text[])::text as texts, ${db.sql.array([1, 2 ** 53 - 1], 1016)}::int8[] as ids`;
    expect(JSON.parse(row?.texts ?? '')).toEqual(texts);
    expect(row?.ids).toEqual([1, 2 ** 53 - 1]);
    expect(
      await db.sql`select ${['a', 'b']}::text[] @> ${['b']} as "isInferred", ${db.sql.array([], 1016)}::int8[] as none`,
    ).toEqual([{ isInferred: true, none: [] }]);
  });

  test('names of columns and of keys within jsonb stay as they are', async () => {
    expect(await db.sql`select '{"first_name": 1}'::jsonb as some_traits`).toEqual([
      { some_traits: { first_name: 1 } },
    ]);
  });
});

describe('a transaction', () => {
  test('commits what it did, and rolls it back when it fails', async () => {
    await inTransaction(db, READ_COMMITTED, (tx) => tx`insert into note values (1, 'a')`);
    const failure = inTransaction(db, READ_COMMITTED, async (tx) => {
      await tx`insert into note values (2, 'b')`;
      throw new Error('of the caller');
    });
    await expect(failure).rejects.toThrow('of the caller');
    expect(await notes()).toEqual([1]);
  });

  test('fails if a statement failed, even where that was overlooked', async () => {
    const overlooked = inTransaction(db, READ_COMMITTED, async (tx) => {
      await tx`insert into note values (3, 'c')`;
      await tx`select 1 / 0`.catch(() => undefined);
    });
    expect(await reasonOf(overlooked)).toBe('INTERNAL');
    expect(await notes()).not.toContain(3);
  });

  test('runs nothing more after its connection was lost, and leaves nothing behind', async () => {
    const lost = inTransaction(db, { ...READ_COMMITTED, retries: 0 }, async (tx) => {
      await tx`insert into note values (4, 'd')`;
      await terminate(await backendOf(tx));
      await expect.poll(() => reasonOf(tx`select 1`)).toBe('DATABASE_UNAVAILABLE');
      // Others use the pool meanwhile: a connection that came back must not serve this transaction.
      await Promise.all([1, 2, 3, 4].map(() => inTransaction(db, READ_COMMITTED, (other) => other`select 1`)));
      await tx`insert into note values (5, 'e')`;
    });
    expect(await reasonOf(lost)).toBe('DATABASE_UNAVAILABLE');
    expect(await notes()).not.toEqual(expect.arrayContaining([4]));
    expect(await notes()).not.toEqual(expect.arrayContaining([5]));
  });

  test('sends none of its waiting statements on a new connection when it loses its own', async () => {
    const proxy = await startTcpProxy(own.url);
    const far = connectDatabase({ ...TEST_CONNECTION, url: proxy.url });
    const lost = inTransaction(far, { ...READ_COMMITTED, retries: 0 }, async (tx) => {
      const settled = Promise.allSettled([
        tx`select pg_sleep(20) as first_of_two`,
        tx`insert into note values (6, 'f')`,
      ]);
      await untilRunning('select pg_sleep(20) as first_of_two');
      proxy.cutConnections();
      expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      throw new Error('both failed');
    });
    await expect(lost).rejects.toThrow('both failed');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await notes()).not.toContain(6);
    await far.close(100);
    await proxy.close();
  });

  test('runs again after a serialization failure', async () => {
    await db.sql`insert into note values (10, '0')`;
    const increment = () =>
      inTransaction(db, { isolation: 'repeatable read', retries: 50 }, async (tx) => {
        const [row] = await tx<{ text: string }[]>`select text from note where id = 10`;
        await tx`update note set text = ${String(Number(row?.text) + 1)} where id = 10`;
      });
    await Promise.all(Array.from({ length: 20 }, increment));
    expect(await db.sql`select text from note where id = 10`).toEqual([{ text: '20' }]);
  });

  test('gives up with CONFLICT after its retries', async () => {
    const conflict = inTransaction(db, { isolation: 'repeatable read', retries: 1 }, async (tx) => {
      await tx`select 1 from note`;
      await db.sql`update note set text = text || '0' where id = 10`;
      await tx`update note set text = 'mine' where id = 10`;
    });
    expect(await reasonOf(conflict)).toBe('CONFLICT');
  });

  test('is over for whoever kept its handle', async () => {
    const kept = await inTransaction(db, READ_COMMITTED, (tx) => Promise.resolve({ tx }));
    expect(await reasonOf((async () => kept.tx`select 1`)())).toBe('DATABASE_UNAVAILABLE');
  });
});

describe('a limit of time', () => {
  test('a statement that takes too long ends with DEADLINE_EXCEEDED', async () => {
    const slow = inTransaction(db, { ...READ_COMMITTED, statementTimeoutMs: 50 }, (tx) => tx`select pg_sleep(10)`);
    expect(await reasonOf(slow)).toBe('DEADLINE_EXCEEDED');
  });

  test('aborting the signal cancels the statement in Postgres', async () => {
    const controller = new AbortController();
    const sleeping = reasonOf(
      runCancellable(db, controller.signal, (sql) => sql`select pg_sleep(20) as to_be_cancelled`),
    );
    const pid = await untilRunning('select pg_sleep(20) as to_be_cancelled');
    controller.abort();
    expect(await sleeping).toBe('CANCELLED');
    await expect
      .poll(() => db.sql`select 1 from pg_stat_activity where pid = ${pid}`, { timeout: 5_000 })
      .toHaveLength(0);
  });

  test('the reason of the abort is what the caller sees', async () => {
    const late = runCancellable(db, AbortSignal.timeout(30), (sql) => sql`select pg_sleep(20)`);
    expect(await reasonOf(late)).toBe('DEADLINE_EXCEEDED');
    const reason = new RollcallError('STREAM_STALLED', 'stalled');
    await expect(runCancellable(db, AbortSignal.abort(reason), (sql) => sql`select 1`)).rejects.toBe(reason);
  });

  test('waiting for a free connection can be aborted, and is bounded', async () => {
    const narrow = connectDatabase({ ...TEST_CONNECTION, url: own.url, maxConnections: 2, statementTimeoutMs: 300 });
    const holding = inTransaction(narrow, READ_COMMITTED, () => new Promise((resolve) => setTimeout(resolve, 1_000)));
    expect(await reasonOf(runCancellable(narrow, AbortSignal.timeout(50), (sql) => sql`select 1`))).toBe(
      'DEADLINE_EXCEEDED',
    );
    expect(await reasonOf(runCancellable(narrow, undefined, (sql) => sql`select 1`))).toBe('DATABASE_UNAVAILABLE');
    await holding;
    expect(await reasonOf(runCancellable(narrow, undefined, (sql) => sql`select 1`))).toBe('none');
    await narrow.close(1_000);
  });
});

describe('a database that is away', () => {
  test('is noticed on a connection that is open but dead', async () => {
    const proxy = await startTcpProxy(own.url);
    const terminated: number[] = [];
    const lease = new ConnectionLease(
      (onClose) => openDriver({ ...TEST_CONNECTION, url: proxy.url }, 1, onClose),
      (pid) => terminated.push(pid),
    );
    const sql = await lease.startUse(300);
    const pid = await backendOf(sql);
    proxy.freeze();
    expect(toRollcallError(await sql`select 2`.catch((error: unknown) => error))).toMatchObject({
      reason: 'DATABASE_UNAVAILABLE',
    });
    expect(lease.isLost).toBe(true);
    expect(terminated).toEqual([pid]);
    await proxy.close();
  });

  test('shows as DATABASE_UNAVAILABLE within the connect timeout, without a word of the driver', async () => {
    const away = connectDatabase({ ...TEST_CONNECTION, url: 'postgres://rollcall:secret@127.0.0.1:1/none' });
    const error = await checkServerVersion(away.sql).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ reason: 'DATABASE_UNAVAILABLE' });
    expect(String(error)).not.toMatch(/ECONNREFUSED|127\.0\.0\.1|secret|select/);
    expect(await reasonOf(inTransaction(away, READ_COMMITTED, (tx) => tx`select 1`))).toBe('DATABASE_UNAVAILABLE');
    await away.close(100);
  });

  test('serves single statements again at once after every connection was lost', async () => {
    await Promise.all([1, 2, 3].map(() => db.sql`select pg_sleep(0.05)`));
    const doomed = reasonOf(
      db.sql`select pg_sleep(20) as doomed`.then(undefined, (error: unknown) => Promise.reject(toRollcallError(error))),
    );
    await untilRunning('select pg_sleep(20) as doomed');
    await inTransaction(
      db,
      READ_COMMITTED,
      (tx) => tx`
      select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    );
    expect(await doomed).toBe('DATABASE_UNAVAILABLE');
    expect(
      await Promise.all(
        [1, 2, 3, 4].map((turn) =>
          db.sql`select ${turn}::int as turn, pg_sleep(0.05)::text`.then(([row]) => row?.['turn'] as unknown),
        ),
      ),
    ).toEqual([1, 2, 3, 4]);
  });
});

describe('errors', () => {
  const cases = [
    ['53100', 'could not extend file "base/1": No space left on device', 'STORAGE_FULL'],
    ['53200', 'out of memory', 'STORAGE_FULL'],
    ['ENOSPC', 'write', 'STORAGE_FULL'],
    ['58030', 'could not write to file "pg_wal/x": No space left on device', 'STORAGE_FULL'],
    ['40P01', 'deadlock detected', 'CONFLICT'],
    ['57P01', 'terminating connection', 'DATABASE_UNAVAILABLE'],
    ['08006', 'connection failure', 'DATABASE_UNAVAILABLE'],
    ['28P01', 'password authentication failed', 'DATABASE_UNAVAILABLE'],
    ['57014', 'canceling statement due to statement timeout', 'DEADLINE_EXCEEDED'],
    ['57014', 'canceling statement due to user request', 'CANCELLED'],
    ['42601', 'syntax error', 'INTERNAL'],
  ] as const;

  test.each(cases)('%s (%s) is %s', (code, text, reason) => {
    const cause = Object.assign(new Error(text), { code });
    expect(toRollcallError(cause)).toMatchObject({ reason, cause });
    expect(toRollcallError(cause).message).not.toContain(text);
  });
});

test('listening goes on after its connection was lost', async () => {
  const heard: string[] = [];
  let listens = 0;
  await db.listen(
    'revisions',
    (payload) => heard.push(payload),
    () => listens++,
  );
  await db.sql`select pg_notify('revisions', 'one')`;
  await expect.poll(() => heard).toEqual(['one']);
  await db.sql`select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%' and datname = current_database()`;
  await expect.poll(() => listens, { timeout: 10_000 }).toBe(2);
  await db.sql`select pg_notify('revisions', 'two')`;
  await expect.poll(() => heard).toEqual(['one', 'two']);
});
