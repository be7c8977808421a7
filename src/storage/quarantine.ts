import type { Sql } from './database.js';
import { INT8_ARRAY, TEXT_ARRAY } from './environments.js';
import { storedIdentifier } from './identities.js';

/** An identity one of whose changes was skipped: what is stored of it may not be what the source has. */
export interface QuarantinedIdentity {
  readonly identifier: string;
  readonly since: Date;
}

/** Those of the environments in which any identity is quarantined. */
export async function quarantinedEnvironments(sql: Sql, environmentIds: readonly number[]): Promise<Set<number>> {
  const rows = await sql<{ id: number }[]>`
    select id from unnest(${sql.array([...environmentIds], INT8_ARRAY)}::bigint[]) as id
    where exists (select from quarantined_identity where environment_id = id)`;
  return new Set(rows.map(({ id }) => id));
}

/**
 * Quarantines identities of live environments, by the environments' keys; those of unknown environments are passed over. One that is quarantined already is
 * locked: a replay that mends it at this moment mends what came before.
 */
export async function quarantine(
  sql: Sql,
  identities: readonly { readonly environmentKey: string; readonly identifier: string }[],
): Promise<void> {
  if (identities.length === 0) return;
  await sql`
    insert into quarantined_identity (environment_id, identifier, shown_identifier)
    select distinct environment.id, skipped.identifier, skipped.shown from unnest(
      ${sql.array(
        identities.map(({ environmentKey }) => environmentKey),
        TEXT_ARRAY,
      )}::text[],
      ${sql.array(
        identities.map(({ identifier }) => storedIdentifier(identifier)),
        TEXT_ARRAY,
      )}::text[],
      ${sql.array(
        identities.map(({ identifier }) => identifier),
        TEXT_ARRAY,
      )}::text[]) as skipped (environment_key, identifier, shown)
    join environment on environment.key = skipped.environment_key and environment.deleted_at is null
    on conflict (environment_id, identifier) do update set since = quarantined_identity.since`;
}

/** Ends the quarantine of those of the identities that are in it; with `before`, if they were by then. */
export async function mendQuarantine(
  sql: Sql,
  environmentId: number,
  identifiers: readonly string[],
  before?: Date,
): Promise<void> {
  if (identifiers.length === 0) return;
  const isOld = before === undefined ? sql`` : sql`and since < ${before}`;
  await sql`
    delete from quarantined_identity
    where environment_id = ${environmentId} ${isOld} and identifier = any(${sql.array(identifiers.map(storedIdentifier), TEXT_ARRAY)})`;
}

/** How many identities of an environment are quarantined, and the first `limit` of them, the earliest first. */
export async function readQuarantine(
  sql: Sql,
  environmentId: number,
  limit: number,
): Promise<{ readonly count: number; readonly first: readonly QuarantinedIdentity[] }> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from quarantined_identity where environment_id = ${environmentId}`;
  const first = await sql<QuarantinedIdentity[]>`
    select shown_identifier as identifier, since from quarantined_identity
    where environment_id = ${environmentId} order by since, identifier limit ${limit}`;
  return { count: row?.count ?? 0, first };
}
