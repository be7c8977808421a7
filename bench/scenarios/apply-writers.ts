import { randomBytes } from 'node:crypto';
import { strictEqual } from 'node:assert/strict';
import { type Database, inTransaction, type Sql } from '../../src/storage/database.js';
import { type Environment, INT8_ARRAY, takeRevision, TEXT_ARRAY } from '../../src/storage/environments.js';
import { patchIdentities } from '../../src/storage/identities.js';
import type { Batch } from './apply-changes.js';

/** Of a log row for each event: two or three flips of about three bytes. */
const LOG_BYTES_PER_EVENT = 7;

/** Writes a batch in one transaction, and nothing else. */
export type WriteBatch = (database: Database, environment: Environment, batch: Batch) => Promise<void>;

/** The plain way: one statement with arrays of ids and whole traits, and no log row. */
export const writeRows: WriteBatch = (database, environment, batch) =>
  inTransaction(database, { isolation: 'read committed' }, (tx) => updateRows(tx, environment.id, batch));

/** That, and the log row. */
export const writeRowsAndLog: WriteBatch = (database, environment, batch) =>
  withLogRow(database, environment, batch, updateRows);

/** The applier's own statement, given the versions of the rows, and the log row. */
export const writePatchesAndLog: WriteBatch = (database, environment, batch) =>
  withLogRow(database, environment, batch, async (tx, environmentId, { patches }) => {
    strictEqual(await patchIdentities(tx, environmentId, patches), patches.length);
  });

/** The peer: a plain table with the traits in an index that answers containment. Of the identities with the lowest ids. */
export async function createJsonbTable({ sql }: Database, environment: Environment, limit: number): Promise<void> {
  await sql.unsafe(
    'create table person (id bigint primary key, identifier text collate "C" not null unique, traits jsonb not null)',
  );
  await sql`
    insert into person select id, identifier, traits from identity where environment_id = ${environment.id} order by id limit ${limit}`;
  await sql.unsafe('create index person_traits on person using gin (traits jsonb_path_ops)');
  await sql.unsafe('vacuum (analyze) person');
}

/** The same changes to the peer's table. */
export const writeJsonbTable: WriteBatch = (database, _environment, { sets }) =>
  inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const { count } = await tx`
      update person set traits = person.traits || changed.traits
      from unnest(${tx.array(
        sets.map(({ identifier }) => identifier),
        TEXT_ARRAY,
      )}::text[], ${tx.array(
        sets.map(({ traits }) => traits),
        TEXT_ARRAY,
      )}::jsonb[]) as changed (identifier, traits)
      where person.identifier = changed.identifier`;
    strictEqual(count, sets.length);
  });

async function updateRows(tx: Sql, environmentId: number, { rows }: Batch): Promise<void> {
  const { count } = await tx`
    update identity set traits = changed.traits
    from unnest(${tx.array(
      rows.map(({ id }) => id),
      INT8_ARRAY,
    )}::bigint[], ${tx.array(
      rows.map(({ traits }) => traits),
      TEXT_ARRAY,
    )}::jsonb[]) as changed (id, traits)
    where identity.environment_id = ${environmentId} and identity.id = changed.id`;
  strictEqual(count, rows.length);
}

async function withLogRow(
  database: Database,
  environment: Environment,
  batch: Batch,
  write: (tx: Sql, environmentId: number, batch: Batch) => Promise<void>,
): Promise<void> {
  await inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    await write(tx, environment.id, batch);
    await takeRevision(tx, environment.id, randomBytes(batch.rows.length * LOG_BYTES_PER_EVENT), false);
  });
}
