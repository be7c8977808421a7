import type { Sql } from './database.js';

/** What is wrong with environments that answer: an ErrorReason first where there is one, then what it means. */
const trouble = (sql: Sql) => sql`
  case
    when exists (select from quarantined_identity where quarantined_identity.environment_id = environment.id)
      then 'identities are quarantined: a change of theirs was skipped'
    when exists (select from atom where atom.environment_id = environment.id and atom.state = 'building' and atom.is_rebuilt)
      then 'INDEX_CORRUPT: an atom that was ready is being built again'
    when failed.id is not null then failed.error_reason || ': the last backfill failed: ' || failed.error_explanation
    when stopped.reason is not null then 'a partition of the feed is stopped: ' || stopped.reason
    else ''
  end`;

const withTroubles = (sql: Sql) => sql`
  environment
    left join backfill as failed on failed.environment_id = environment.id and failed.state = 'failed'
    cross join (select min(stopped_reason) as reason from kafka_offset where feed <> '' and stopped_reason <> '') as stopped`;

/** What is wrong with an environment; '' where nothing is. */
export async function readTrouble(sql: Sql, environmentId: number): Promise<string> {
  const [row] = await sql<{ trouble: string }[]>`
    select ${trouble(sql)} as trouble from ${withTroubles(sql)} where environment.id = ${environmentId}`;
  return row?.trouble ?? '';
}

export type HealthState = 'off' | 'loading' | 'ready' | 'degraded' | 'failed';

/** The environments' states: how many there are of each, and those of some environments. */
export interface EnvironmentStates {
  readonly counts: ReadonlyMap<HealthState, number>;
  readonly environments: readonly { readonly key: string; readonly state: HealthState }[];
}

/** The states of live environments: of `limit` of them each, those first that are not ready, then by key. */
export async function readStates(sql: Sql, limit: number): Promise<EnvironmentStates> {
  const rows = await sql<{ key: string; state: HealthState; count: number }[]>`
    with states as materialized (
      select key, case when environment.state = 'ready' and ${trouble(sql)} <> '' then 'degraded' else environment.state end as state
      from ${withTroubles(sql)} where deleted_at is null
    )
    select '' as key, state, count(*)::int as count from states group by state
    union all (select key, state, 0 from states order by state = 'ready', key limit ${limit})`;
  return {
    counts: new Map(rows.filter(({ key }) => key === '').map(({ state, count }) => [state, count])),
    environments: rows.filter(({ key }) => key !== ''),
  };
}
