import { connectDatabase, type Database } from '../../src/storage/database.js';

const CONNECTION = {
  maxConnections: 8,
  applicationName: 'rollcall-bench',
  connectTimeoutMs: 10_000,
  statementTimeoutMs: 3_600_000,
};

/** Runs `work` on an empty database of its own on the server at `url`, which is thrown away. */
export async function onDatabase<Result>(
  url: string,
  name: string,
  work: (database: Database, url: string) => Promise<Result>,
): Promise<Result> {
  return onServer(url, async (maintenance) => {
    await create(maintenance, name, 'template0');
    return useAndDrop(maintenance, urlOf(url, name), work);
  });
}

/** The same on a copy of the database at `url`, whose other connections are cut. */
export async function onCopyOf<Result>(
  url: string,
  name: string,
  work: (copy: Database, url: string) => Promise<Result>,
): Promise<Result> {
  return onServer(url, async (maintenance) => {
    await copy(maintenance, url, name);
    return useAndDrop(maintenance, urlOf(url, name), work);
  });
}

/** Copies the database at `url`, whose other connections are cut, to one that stays, in place of an earlier one. */
export async function copyDatabase(url: string, name: string): Promise<void> {
  await onServer(url, (maintenance) => copy(maintenance, url, name));
}

/** Connects as the benchmark does. */
export function connectTo(url: string, maxConnections = CONNECTION.maxConnections): Database {
  return connectDatabase({ ...CONNECTION, url, maxConnections });
}

/** The URL of another database of the same server. */
export function urlOf(url: string, name: string): string {
  const own = new URL(url);
  own.pathname = `/${name}`;
  return own.href;
}

/** Runs `work` connected to the server at `url`, but to none of the databases that are worked on. */
export async function onServer<Result>(url: string, work: (maintenance: Database) => Promise<Result>): Promise<Result> {
  const maintenance = connectTo(urlOf(url, 'template1'));
  return work(maintenance).finally(() => maintenance.close(1_000));
}

async function copy(maintenance: Database, url: string, name: string): Promise<void> {
  const template = new URL(url).pathname.slice(1);
  await maintenance.sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${template}`;
  await create(maintenance, name, template);
}

async function create({ sql }: Database, name: string, template: string): Promise<void> {
  await sql.unsafe(`drop database if exists ${name} with (force)`);
  await sql.unsafe(`create database ${name} template ${template} strategy file_copy`);
}

/** What fails leaves its database there until the next run. */
async function useAndDrop<Result>(
  maintenance: Database,
  url: string,
  work: (database: Database, url: string) => Promise<Result>,
): Promise<Result> {
  const database = connectTo(url);
  const result = await work(database, url).finally(() => database.close(1_000));
  await maintenance.sql.unsafe(`drop database ${new URL(url).pathname.slice(1)} with (force)`);
  return result;
}
