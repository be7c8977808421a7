import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectDatabase, inTransaction } from '../../src/storage/database.js';
import { checkSchema, migrate } from '../../src/storage/migrate.js';
import { UnknownSchemaError } from '../../src/storage/migration-files.js';
import { createEmptyDatabase, createTestDatabase, TEST_CONNECTION } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';

const FIRST = { '0001_create_plants.sql': 'create table plant (id int primary key);' };
const SECOND = { '0002_name_plants.sql': 'alter table plant add name text;\ncreate index plant_name on plant (name);' };

let database: TestDatabase;
const folders: string[] = [];

beforeEach(async () => {
  database = await createEmptyDatabase();
});
afterEach(async () => {
  await database.drop();
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

async function folderOf(files: Readonly<Record<string, string>>): Promise<URL> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-migrations-'));
  folders.push(folder);
  for (const [name, sql] of Object.entries(files)) await writeFile(join(folder, name), sql);
  return pathToFileURL(`${folder}/`);
}

async function tables(): Promise<string[]> {
  const rows = await database.db.sql<
    { name: string }[]
  >`select tablename as name from pg_tables where schemaname = current_schema() order by 1`;
  return rows.map(({ name }) => name);
}

test('an empty database gets all migrations, one that has some gets the rest, one that has all gets none', async () => {
  expect(await migrate(database.db, await folderOf(FIRST))).toEqual({ applied: ['0001_create_plants.sql'] });
  const both = await folderOf({ ...FIRST, ...SECOND });
  await expect(checkSchema(database.db, both)).rejects.toThrow('lacks the migration 0002_name_plants.sql');
  expect(await migrate(database.db, both)).toEqual({ applied: ['0002_name_plants.sql'] });
  expect(await migrate(database.db, both)).toEqual({ applied: [] });
  await checkSchema(database.db, both);
});

test('the migrations of this release apply to an empty database', async () => {
  const { applied } = await migrate(database.db);
  expect(applied.length).toBeGreaterThan(0);
  await checkSchema(database.db);
});

test('a database that has all migrations is only looked at: no other process is waited for', async () => {
  const folder = await folderOf(FIRST);
  await migrate(database.db, folder);
  const other = connectDatabase({ ...TEST_CONNECTION, url: database.url });
  await inTransaction(other, { isolation: 'read committed' }, async (tx) => {
    await tx`select pg_advisory_xact_lock(7214906115)`;
    expect(await migrate(database.db, folder)).toEqual({ applied: [] });
  });
  await other.close(1_000);
});

test('several processes that start at once apply each migration once', async () => {
  const both = await folderOf({ ...FIRST, ...SECOND });
  const processes = [1, 2, 3, 4].map(() => connectDatabase({ ...TEST_CONNECTION, url: database.url }));
  const results = await Promise.all(processes.map((db) => migrate(db, both)));
  expect(results.flatMap(({ applied }) => applied).sort()).toEqual(['0001_create_plants.sql', '0002_name_plants.sql']);
  await Promise.all(processes.map((db) => db.close(1_000)));
});

test('a migration that fails half way leaves the schema as it was, is named, and can be mended', async () => {
  const broken = await folderOf({ ...FIRST, '0002_name_plants.sql': 'alter table plant add name text; select 1 / 0;' });
  await expect(migrate(database.db, broken)).rejects.toThrow('The migration 0002_name_plants.sql failed');
  expect(
    await database.db.sql`select column_name from information_schema.columns where table_name = 'plant'`,
  ).toHaveLength(1);
  expect(await migrate(database.db, await folderOf({ ...FIRST, ...SECOND }))).toEqual({
    applied: ['0002_name_plants.sql'],
  });
});

test('objects go to the first schema of the search path', async () => {
  await database.db.sql`create schema tenant`;
  const tenant = connectDatabase({ ...TEST_CONNECTION, url: `${database.url}?search_path=tenant` });
  await migrate(tenant, await folderOf(FIRST));
  await tenant.close(1_000);
  expect(await tables()).toEqual([]);
  expect(await database.db.sql`select tablename from pg_tables where schemaname = 'tenant'`).toHaveLength(2);
});

describe('a schema that this release does not know is refused and left alone:', () => {
  async function expectRefusal(files: Readonly<Record<string, string>>, message: string): Promise<void> {
    const before = await tables();
    const folder = await folderOf(files);
    for (const attempt of [migrate, checkSchema]) {
      const error: unknown = await attempt(database.db, folder).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(UnknownSchemaError);
      expect(String(error)).toContain(message);
    }
    expect(await tables()).toEqual(before);
  }

  test('a migration of a newer release', async () => {
    await migrate(database.db, await folderOf({ ...FIRST, ...SECOND }));
    await expectRefusal(FIRST, '0002_name_plants.sql');
  });

  test('a migration whose text was changed after it was applied', async () => {
    await migrate(database.db, await folderOf(FIRST));
    await expectRefusal(
      { '0001_create_plants.sql': 'create table plant (id bigint primary key);', ...SECOND },
      '0001_create_plants.sql',
    );
  });

  test('a migration missing before one that was applied', async () => {
    await migrate(database.db, await folderOf({ ...FIRST, ...SECOND }));
    await database.db.sql`delete from rollcall_migration where name like '0001%'`;
    await expectRefusal({ ...FIRST, ...SECOND }, '0001_create_plants.sql');
  });

  test('tables of ours without a record of migrations', async () => {
    await database.db.sql`create table plant (id int)`;
    await expectRefusal(FIRST, 'plant');
  });
});

test('tables of others do not matter', async () => {
  await database.db.sql`create table animal (id int)`;
  expect((await migrate(database.db, await folderOf(FIRST))).applied).toHaveLength(1);
});

test('files that are numbered with a gap are refused', async () => {
  await expect(migrate(database.db, await folderOf({ ...FIRST, '0003_late.sql': 'select 1' }))).rejects.toThrow(
    '0003_late.sql should be named 0002',
  );
});

test('line ends of another platform are not a change', async () => {
  const files = { '0001_create_plants.sql': 'create table plant (\n  id int\n);\n' };
  await migrate(database.db, await folderOf(files));
  await checkSchema(
    database.db,
    await folderOf({ '0001_create_plants.sql': files['0001_create_plants.sql'].replaceAll('\n', '\r\n') }),
  );
});

test('a test database is a migrated one', async () => {
  const ready = await createTestDatabase();
  await checkSchema(ready.db);
  await ready.drop();
});
