import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { RollcallError } from '../core/errors.js';

/** A numbered file of SQL statements. `sha256` is hexadecimal, over the text with `\n` line ends. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly sha256: string;
}

/** A migration that a database says it has. */
export interface AppliedMigration {
  readonly name: string;
  readonly sha256: string;
}

/** The database holds a schema that this release does not know; the message says which part of it. */
export class UnknownSchemaError extends RollcallError {
  constructor(message: string, metadata: Readonly<Record<string, string>> = {}) {
    super('INVALID_REQUEST', message, { metadata });
  }
}

/** Reads the migrations of a folder, in order. They are named `NNNN_what_it_does.sql` and numbered without a gap from 0001. */
export async function readMigrations(folder: URL): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  for (const [index, name] of names.entries()) {
    const number = String(index + 1).padStart(4, '0');
    if (!/^\d{4}_[a-z0-9_]+\.sql$/.test(name) || !name.startsWith(number)) {
      throw new Error(`Migration ${name} should be named ${number}_what_it_does.sql`);
    }
  }
  return Promise.all(names.map((name) => readMigration(folder, name)));
}

async function readMigration(folder: URL, name: string): Promise<Migration> {
  const sql = (await readFile(new URL(name, folder), 'utf8')).replaceAll('\r\n', '\n');
  return { name, sql, sha256: createHash('sha256').update(sql).digest('hex') };
}

/** Those migrations that are still to be applied; throws `UnknownSchemaError` unless the applied ones are the first of ours. */
export function pendingMigrations(migrations: readonly Migration[], applied: readonly AppliedMigration[]): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const { name, sha256 } of applied) {
    const migration = known.get(name);
    if (migration === undefined) {
      throw new UnknownSchemaError(
        `The database has the migration ${name}, which this release does not know; use the release that applied it or a newer one`,
        { migration: name },
      );
    }
    if (migration.sha256 !== sha256) {
      throw new UnknownSchemaError(
        `The migration ${name} is not the one that was applied to the database: its text differs`,
        { migration: name },
      );
    }
  }
  const done = new Set(applied.map(({ name }) => name));
  const gap = migrations.slice(0, done.size).find(({ name }) => !done.has(name));
  if (gap !== undefined)
    throw new UnknownSchemaError(`The database lacks the migration ${gap.name} but has later ones`, {
      migration: gap.name,
    });
  return migrations.slice(done.size);
}
