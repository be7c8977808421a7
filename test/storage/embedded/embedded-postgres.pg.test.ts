import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectDatabase } from '../../../src/storage/database.js';
import { startEmbeddedPostgres } from '../../../src/storage/embedded/embedded-postgres.js';
import type { EmbeddedPostgres } from '../../../src/storage/embedded/embedded-postgres.js';
import { isRunning } from '../../../src/storage/embedded/process-table.js';
import { createDataDirectory, startPrivatePostgres, TEST_CONNECTION } from '../../helpers/postgres.js';
import { compileEmbeddedPostgres, endServerOwner, startServerOwner } from '../../helpers/server-process.js';
import type { ServerOwner } from '../../helpers/server-process.js';

const folders: string[] = [];
let compiled: string;

beforeAll(async () => {
  compiled = await compileEmbeddedPostgres();
});
afterEach(() => Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true }))));
afterAll(() => rm(compiled, { recursive: true }));

async function newFolder(): Promise<string> {
  const folder = await createDataDirectory();
  folders.push(folder);
  return folder;
}

async function start(dataDirectory: string, lines: string[] = []): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({ dataDirectory, log: (line) => lines.push(line), settings: { fsync: 'off' } });
}

async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const db = connectDatabase({ ...TEST_CONNECTION, url });
  try {
    return Array.from(await db.sql.unsafe<Record<string, unknown>[]>(statement));
  } finally {
    await db.close(1_000);
  }
}

async function serverPid(dataDirectory: string): Promise<number> {
  return Number((await readFile(join(dataDirectory, 'cluster', 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

test('data is there after a restart, and the server is gone in between', async () => {
  const folder = await newFolder();
  const first = await start(folder);
  await query(first.url, 'create table kept as select 42 as answer');
  const pid = await serverPid(folder);
  await first.stop();
  expect(await isRunning(pid)).toBe(false);
  const second = await start(folder);
  expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  await second.stop();
});

test('the cluster is UTF-8, orders by code point and checks its pages', async () => {
  const server = await startPrivatePostgres();
  expect(
    await query(
      server.url,
      `
    select current_setting('server_encoding') as encoding, current_setting('data_checksums') as checksums,
      'a' > 'B' as "isOrderedByCodePoint", lower('Ä') = 'ä' as "hasCase"`,
    ),
  ).toEqual([{ encoding: 'UTF8', checksums: 'on', isOrderedByCodePoint: true, hasCase: true }]);
  await server.stop();
});

test('only who knows the password gets in, and only its owner can read it', async () => {
  const server = await startPrivatePostgres();
  await expect(query(server.url.replace(/:[^:@/]+@/, ':wrong@'), 'select 1')).rejects.toThrow('password');
  expect((await stat(join(server.dataDirectory, 'password'))).mode & 0o777).toBe(0o600);
  expect(await query(server.url, 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
  await server.stop();
});

test('durability is on unless a setting says otherwise', async () => {
  const server = await startPrivatePostgres({});
  expect(
    await query(
      server.url,
      `select name, setting from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit') order by 1`,
    ),
  ).toEqual([
    { name: 'fsync', setting: 'on' },
    { name: 'full_page_writes', setting: 'on' },
    { name: 'synchronous_commit', setting: 'on' },
  ]);
  await server.stop();
});

test('a creation that was interrupted is begun again', async () => {
  const folder = await newFolder();
  await (await start(folder)).stop();
  await rm(join(folder, 'cluster'), { recursive: true });
  await writeFile(join(folder, 'cluster.new'), 'half a cluster');
  const server = await start(folder);
  expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  await server.stop();
});

test('a server that ends by itself is started again at the same URL, and says so', async () => {
  const server = await startPrivatePostgres();
  const exits: string[] = [];
  server.onExit((description) => exits.push(description));
  await query(server.url, 'create table kept as select 42 as answer');
  process.kill(await serverPid(server.dataDirectory), 'SIGKILL');
  const rows = () => query(server.url, 'select answer from kept').catch(() => []);
  await expect.poll(rows, { timeout: 30_000 }).toEqual([{ answer: 42 }]);
  expect(exits).toEqual(['signal SIGKILL']);
  await server.stop();
});

describe('one folder has one owner:', () => {
  const owners: ServerOwner[] = [];
  afterEach(async () => {
    await Promise.all(owners.splice(0).map((owner) => endServerOwner(owner, 'SIGTERM')));
  });

  function own(folder: string): ServerOwner {
    const owner = startServerOwner(compiled, folder);
    owners.push(owner);
    return owner;
  }

  test('the same process cannot start twice on it', async () => {
    const folder = await newFolder();
    const server = await start(folder);
    await expect(start(folder)).rejects.toThrow(`in use by process ${process.pid}`);
    await server.stop();
  });

  test('a second process is told the first one by its id', async () => {
    const folder = await newFolder();
    const server = await start(folder);
    expect(await own(folder).outcome).toMatch(`refused The data folder ${folder} is in use by process ${process.pid}`);
    await server.stop();
  });

  test('of several processes that start at once on a new folder one wins', async () => {
    const folder = await newFolder();
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => own(folder).outcome));
    expect(outcomes.filter((outcome) => outcome.startsWith('ready'))).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome.includes('in use by process'))).toHaveLength(3);
  });

  test('after the owner was killed, of several processes one takes over its folder, stops its server and has its data', async () => {
    const folder = await newFolder();
    const killed = own(folder);
    const url = (await killed.outcome).replace('ready ', '');
    await query(url, 'create table kept as select 42 as answer');
    const orphan = await serverPid(folder);
    await endServerOwner(killed, 'SIGKILL');
    expect(await isRunning(orphan)).toBe(true);
    const outcomes = await Promise.all([1, 2, 3].map(() => own(folder).outcome));
    const ready = outcomes.filter((outcome) => outcome.startsWith('ready'));
    expect(ready).toHaveLength(1);
    expect(await isRunning(orphan)).toBe(false);
    expect(await query(ready[0]?.replace('ready ', '') ?? '', 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  test('the pid file of a dead server, whose id another process has by now, is no obstacle', async () => {
    const folder = await newFolder();
    await (await start(folder)).stop();
    await writeFile(
      join(folder, 'cluster', 'postmaster.pid'),
      `${process.pid}\n${folder}/cluster\n1\n1\n\n\n\nready\n`,
    );
    const server = await start(folder);
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await server.stop();
  });
});
