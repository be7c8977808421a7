import type { MigrationError } from 'umzug';
import { RollcallError } from '../core/errors.js';
import { askDatabase, inTransaction } from './database.js';
import type { Database, Sql } from './database.js';
import { pendingMigrations, readMigrations, UnknownSchemaError } from './migration-files.js';
import type { AppliedMigration, Migration } from './migration-files.js';

/** Any number that no other user of the database is likely to lock. */
const ADVISORY_LOCK = 7_214_906_115;
const FOLDER = new URL('./migrations/', import.meta.url);

/**
 * Brings the schema (the first of the connection's search_path) up to this release; the names of the migrations that
 * this call applied, in order. Each runs in a transaction of its own, under a lock that lets several processes start at
 * once. Throws `UnknownSchemaError`, having changed nothing, where the database holds what this release does not know.
 */
export async function migrate(database: Database, folder: URL = FOLDER): Promise<{ applied: string[] }> {
  const migrations = await readMigrations(folder);
  const history = await askDatabase(database, (sql) => readHistory(sql, migrations));
  return {
    applied: pendingMigrations(migrations, history).length === 0 ? [] : await applyPending(database, migrations),
  };
}

/** Loads the runner only where it has something to run: it takes longer than looking whether it has. */
async function applyPending(database: Database, migrations: readonly Migration[]): Promise<string[]> {
  const { MigrationError, Umzug } = await import('umzug');
  const applied: string[] = [];
  const umzug = new Umzug({
    logger: undefined,
    migrations: migrations.map((migration) => ({
      name: migration.name,
      up: async () => {
        if (await applyUnlessApplied(database, migrations, migration)) applied.push(migration.name);
      },
    })),
    storage: {
      executed: () => underLock(database, async (tx) => (await prepareHistory(tx, migrations)).map(({ name }) => name)),
      logMigration: async () => {
        // Each migration is noted in its own transaction, by `applyUnlessApplied`.
      },
      unlogMigration: () => Promise.reject(new Error('Migrations go forward only')),
    },
  });
  await umzug.up().catch((error: unknown) => {
    throw error instanceof MigrationError ? nameMigration(error) : error;
  });
  return applied;
}

function nameMigration(error: MigrationError): unknown {
  const { cause } = error;
  if (cause instanceof RollcallError && cause.reason !== 'INTERNAL') return cause;
  return new RollcallError(
    'INTERNAL',
    `The migration ${error.migration.name} failed; the schema is as it was before it`,
    { cause },
  );
}

/** Throws `UnknownSchemaError` unless the schema is exactly the one of this release. Changes nothing. */
export async function checkSchema(database: Database, folder: URL = FOLDER): Promise<void> {
  const migrations = await readMigrations(folder);
  const [pending] = pendingMigrations(migrations, await readHistory(database.sql, migrations));
  if (pending === undefined) return;
  throw new UnknownSchemaError(`The database lacks the migration ${pending.name}; apply it with \`rollcall migrate\``, {
    migration: pending.name,
  });
}

/** False if another process has applied it meanwhile. */
async function applyUnlessApplied(
  database: Database,
  migrations: readonly Migration[],
  migration: Migration,
): Promise<boolean> {
  return underLock(database, async (tx) => {
    const pending = pendingMigrations(migrations, await readHistory(tx, migrations));
    if (!pending.includes(migration)) return false;
    await tx.unsafe(migration.sql);
    await tx`insert into rollcall_migration (name, sha256) values (${migration.name}, ${migration.sha256})`;
    return true;
  });
}

async function underLock<T>(database: Database, work: (tx: Sql) => Promise<T>): Promise<T> {
  return inTransaction(database, { isolation: 'read committed', statementTimeoutMs: 0 }, async (tx) => {
    await tx`select pg_advisory_xact_lock(${ADVISORY_LOCK})`;
    return work(tx);
  });
}

/** Makes sure that the table of migrations exists, and that the database holds nothing unknown. */
async function prepareHistory(tx: Sql, migrations: readonly Migration[]): Promise<AppliedMigration[]> {
  const applied = await readHistory(tx, migrations);
  pendingMigrations(migrations, applied);
  await tx`
    create table if not exists rollcall_migration (
      name text collate "C" primary key,
      sha256 text not null,
      applied_at timestamptz not null default now()
    )`;
  return applied;
}

async function readHistory(sql: Sql, migrations: readonly Migration[]): Promise<AppliedMigration[]> {
  const [row] = await sql<{ exists: boolean }[]>`
    select to_regclass(format('%I.rollcall_migration', current_schema())) is not null as exists`;
  if (row?.exists === true) return sql<AppliedMigration[]>`select name, sha256 from rollcall_migration order by name`;
  await refuseStrayTables(sql, migrations);
  return [];
}

async function refuseStrayTables(sql: Sql, migrations: readonly Migration[]): Promise<void> {
  const ours = migrations.flatMap(({ sql: text }) =>
    Array.from(text.matchAll(/^\s*create table (?:if not exists )?(\w+)/gim), ([, name]) => name ?? ''),
  );
  const [stray] = await sql<{ name: string }[]>`
    select tablename as name from pg_tables
    where schemaname = current_schema() and tablename in (select jsonb_array_elements_text(${JSON.stringify(ours)}::text::jsonb))
    order by tablename limit 1`;
  if (stray === undefined) return;
  throw new UnknownSchemaError(
    `The database has a table ${stray.name} but no record of migrations: it is not an empty database or one of Rollcall's`,
    { table: stray.name },
  );
}
