import type { IdentitySource, SkippedRow, SourceIdentity } from '../../src/core/source.js';
import {
  type FlagsmithDatabase,
  type FlagsmithDatabaseOptions,
  openFlagsmithDatabase,
} from '../../src/sources/flagsmith/flagsmith-database.js';
import {
  type FlagsmithIdentityOptions,
  flagsmithIdentitySource,
} from '../../src/sources/flagsmith/flagsmith-identities.js';
import { inTransaction, type Sql } from '../../src/storage/database.js';
import { FLAGSMITH_SCHEMA } from './flagsmith-schema.js';
import { createEmptyDatabase } from './postgres.js';

/** A Flagsmith core database of one test. */
export interface Flagsmith {
  readonly url: string;
  /** As Flagsmith itself would write. */
  readonly sql: Sql;
  readonly transact: (work: (tx: Sql) => Promise<void>) => Promise<void>;
  readonly open: (options?: Partial<FlagsmithDatabaseOptions>) => FlagsmithDatabase;
  /** A source on a database of its own. */
  source(options: Partial<FlagsmithIdentityOptions> & { readonly environmentId: number }): IdentitySource;
  drop(): Promise<void>;
}

/** Fewer and shorter waits than an operator would want. */
const QUICK = { connectTimeoutMs: 2_000, statementTimeoutMs: 10_000, networkGraceMs: 500, retries: 2 };

/** The environments 1 to 3, whose keys are `env-1` and so on, of project 1 of organisation 1; nothing else. */
export async function createFlagsmith(): Promise<Flagsmith> {
  const created = await createEmptyDatabase();
  const { url, db } = created;
  const opened: FlagsmithDatabase[] = [];
  await db.sql.unsafe(FLAGSMITH_SCHEMA);
  await db.sql`insert into organisations_organisation (id, name) values (1, 'Acme')`;
  await db.sql`insert into projects_project (id, name, organisation_id) values (1, 'Shop', 1)`;
  await db.sql`insert into environments_environment (id, name, project_id, api_key)
    select n, 'Environment ' || n, 1, 'env-' || n from generate_series(1, 3) n`;
  const open: Flagsmith['open'] = (options) => {
    const database = openFlagsmithDatabase({ ...QUICK, url, ...options });
    opened.push(database);
    return database;
  };
  return {
    url,
    sql: db.sql,
    transact: (work) => inTransaction(db, { isolation: 'read committed' }, work),
    open,
    source: (options) =>
      flagsmithIdentitySource(open(), { environmentKey: `env-${options.environmentId}`, ...options }),
    async drop() {
      await Promise.all(opened.map((database) => database.close()));
      await created.drop();
    },
  };
}

/** Identities `first` to `last` of an environment, each with a trait of every type. */
export async function insertIdentities(sql: Sql, environmentId: number, first: number, last: number): Promise<void> {
  await sql`insert into environments_identity (id, identifier, environment_id)
    select n, 'user-' || n, ${environmentId}::int from generate_series(${first}::int, ${last}::int) n`;
  await sql`insert into environments_trait
    (trait_key, value_type, integer_value, string_value, boolean_value, float_value, identity_id)
    select key, type, case type when 'int' then n end, case type when 'unicode' then 'plan ' || n % 3 end,
      case type when 'bool' then n % 2 = 0 end, case type when 'float' then n / 2.0 end, n
    from generate_series(${first}::int, ${last}::int) n,
      (values ('age', 'int'), ('plan', 'unicode'), ('paid', 'bool'), ('score', 'float')) t(key, type)`;
}

export interface Collected {
  readonly identities: readonly SourceIdentity[];
  readonly skipped: readonly SkippedRow[];
  readonly cursors: readonly string[];
  readonly positions: readonly (number | undefined)[];
}

/** All that a source gives after a cursor. */
export async function collect(
  source: IdentitySource,
  after?: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<Collected> {
  const identities: SourceIdentity[] = [];
  const skipped: SkippedRow[] = [];
  const cursors: string[] = [];
  const positions: (number | undefined)[] = [];
  for await (const page of source.pages(after, signal)) {
    identities.push(...page.identities);
    skipped.push(...page.skipped);
    cursors.push(page.cursor);
    positions.push(page.position);
  }
  return { identities, skipped, cursors, positions };
}
