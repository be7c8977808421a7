import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { connectDatabase } from '../../src/storage/database.js';
import type { Database } from '../../src/storage/database.js';
import { startEmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.js';
import type { EmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.js';

export const TEST_CONNECTION = {
  maxConnections: 6,
  applicationName: 'rollcall-test',
  connectTimeoutMs: 10_000,
  statementTimeoutMs: 30_000,
};

/** A database of one test, or of one test file. */
export interface TestDatabase {
  readonly url: string;
  readonly db: Database;
  drop(): Promise<void>;
}

/** A migrated, empty database of the run's server. */
export async function createTestDatabase(): Promise<TestDatabase> {
  return createDatabase(inject('templateDatabase'));
}

/** A database of the run's server without any table of ours. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  return createDatabase('template0');
}

async function createDatabase(template: string): Promise<TestDatabase> {
  const name = `rollcall_test_${randomBytes(8).toString('hex')}`;
  await onServer(`create database ${name} template ${template}`);
  const url = databaseUrl(inject('postgresUrl'), name);
  const db = connectDatabase({ ...TEST_CONNECTION, url });
  return {
    url,
    db,
    async drop() {
      await db.close(1_000);
      await onServer(`drop database if exists ${name} with (force)`);
    },
  };
}

async function onServer(statement: string): Promise<void> {
  const maintenance = connectDatabase({ ...TEST_CONNECTION, url: inject('postgresUrl') });
  try {
    await maintenance.sql.unsafe(statement);
  } finally {
    await maintenance.close(1_000);
  }
}

/** The URL of another database of the same server. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** An embedded server of one test, which may stop or kill it. */
export interface PrivatePostgres extends EmbeddedPostgres {
  readonly dataDirectory: string;
  /** What it logged so far. */
  readonly lines: readonly string[];
}

/** Starts an embedded server, even with DATABASE_URL set. `stop` removes its data, too. */
export async function startPrivatePostgres(
  settings: Readonly<Record<string, string>> = { fsync: 'off' },
): Promise<PrivatePostgres> {
  const dataDirectory = await createDataDirectory();
  const lines: string[] = [];
  const server = await startEmbeddedPostgres({ dataDirectory, log: (line) => lines.push(line), settings });
  return {
    ...server,
    dataDirectory,
    lines,
    async stop() {
      await server.stop();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

/** An empty folder that the account of a server can reach, also when we are root. */
export async function createDataDirectory(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-postgres-'));
  await chmod(folder, 0o711);
  return folder;
}
