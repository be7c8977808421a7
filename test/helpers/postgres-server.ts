import { randomBytes } from 'node:crypto';
import type { TestProject } from 'vitest/node';
import { connectDatabase } from '../../src/storage/database.js';
import { migrate } from '../../src/storage/migrate.js';
import { databaseUrl, startPrivatePostgres, TEST_CONNECTION } from './postgres.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The server of the whole run: the URL of its maintenance database. */
    postgresUrl: string;
    /** A migrated database to clone. */
    templateDatabase: string;
  }
}

/** Before the first test: a server, that of DATABASE_URL where it is set, and on it a migrated template. After the last: neither. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['DATABASE_URL'];
  const server = given === undefined ? await startPrivatePostgres() : { url: given, stop: () => Promise.resolve() };
  const template = `rollcall_template_${randomBytes(6).toString('hex')}`;
  const maintenance = connectDatabase({ ...TEST_CONNECTION, url: server.url });
  await maintenance.sql.unsafe(`create database ${template} template template0`);
  await migrateTemplate(databaseUrl(server.url, template));
  project.provide('postgresUrl', server.url);
  project.provide('templateDatabase', template);
  return async () => {
    await maintenance.sql.unsafe(`drop database if exists ${template} with (force)`);
    await maintenance.close(1_000);
    await server.stop();
  };
}

async function migrateTemplate(url: string): Promise<void> {
  const database = connectDatabase({ ...TEST_CONNECTION, url });
  try {
    await migrate(database);
  } finally {
    await database.close(1_000);
  }
}
