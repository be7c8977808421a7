import type { Sql } from './database.js';
import { TEXT_ARRAY } from './environments.js';
import { mendQuarantine } from './quarantine.js';

/** Ends the quarantine of those of the identities about which no dead letter is left. Within the transaction that removed theirs. */
export async function mendReplayed(
  tx: Sql,
  identities: readonly { readonly environmentKey: string; readonly identifier: string }[],
): Promise<void> {
  const known = identities.filter(({ identifier }) => identifier !== '');
  if (known.length === 0) return;
  const rows = await tx<{ environmentId: number; identifier: string }[]>`
    select distinct environment.id as "environmentId", replayed.identifier from unnest(
      ${textArray(
        tx,
        known.map(({ environmentKey }) => environmentKey),
      )}::text[],
      ${textArray(
        tx,
        known.map(({ identifier }) => identifier),
      )}::text[]) as replayed (environment_key, identifier)
    join environment on environment.key = replayed.environment_key and environment.deleted_at is null
    where not exists (
      select from dead_letter
      where dead_letter.environment_key = replayed.environment_key and dead_letter.identifier = replayed.identifier)`;
  for (const environmentId of new Set(rows.map((row) => row.environmentId))) {
    const own = rows.filter((row) => row.environmentId === environmentId);
    await mendQuarantine(
      tx,
      environmentId,
      own.map(({ identifier }) => identifier),
    );
  }
}

function textArray(sql: Sql, texts: string[]) {
  return sql.array(texts, TEXT_ARRAY);
}
