import { connectDatabase, type Database } from '../../src/storage/database.js';

const CONNECTION = {
  maxConnections: 8,
  applicationName: 'rollcall-bench',
  connectTimeoutMs: 10_000,
  statementTimeoutMs: 3_600_000,
};

/** Runs `work` on a database of its own on the server at `url`, which is thrown away: a new one, or a copy of `template`, to which nothing is connected. */
export async function onDatabase<Result>(
  url: string,
  name: string,
  work: (database: Database, url: string) => Promise<Result>,
  template = 'template0',
): Promise<Result> {
  const maintenance = connectTo(urlOf(url, 'template1'));
  try {
    await maintenance.sql.unsafe(`drop database if exists ${name} with (force)`);
    await maintenance.sql.unsafe(`create database ${name} template ${template} strategy file_copy`);
    const ownUrl = urlOf(url, name);
    const database = connectTo(ownUrl);
    const result = await work(database, ownUrl).finally(() => database.close(1_000));
    await maintenance.sql.unsafe(`drop database ${name} with (force)`);
    return result;
  } finally {
    await maintenance.close(1_000);
  }
}

/** Connects as the benchmark does. */
export function connectTo(url: string): Database {
  return connectDatabase({ ...CONNECTION, url });
}

function urlOf(url: string, database: string): string {
  const own = new URL(url);
  own.pathname = `/${database}`;
  return own.href;
}
