import type { Sql } from './database.js';
import { type Environment, INT8_ARRAY, TEXT_ARRAY } from './environments.js';
import type { Gate } from './organisations.js';

/** Turns an environment off, or says what else keeps it off. One that was never loaded whole has a gap. Under its head, with a catalog revision. */
export async function turnEnvironmentOff(tx: Sql, environmentId: number, gate: Exclude<Gate, ''>): Promise<void> {
  await tx`
    update environment set has_gap = has_gap or state in ('loading', 'failed'), state = 'off', state_reason = ${gate}
    where id = ${environmentId}`;
}

/**
 * Turns an environment on: with a source it is loading; without one it has failed where it has a gap, and is ready else. Under its head, with a
 * catalog revision.
 */
export async function turnEnvironmentOn(tx: Sql, environmentId: number): Promise<void> {
  await tx`
    update environment
    set state = case when source <> '' then 'loading' when has_gap then 'failed' else 'ready' end,
        state_reason = case when source = '' and has_gap then 'RELOAD_REQUIRED' else '' end
    where id = ${environmentId} and state = 'off'`;
}

/** Marks an environment as emptied: created when the one was whose place it takes, and with a gap. */
export async function markPurged(
  tx: Sql,
  environmentId: number,
  { createdAt }: Pick<Environment, 'createdAt'>,
): Promise<void> {
  await tx`update environment set has_gap = true, created_at = ${createdAt} where id = ${environmentId}`;
}

/** Ends the builds of an environment's atoms at their next step, in whichever process. */
export async function endBuilds(tx: Sql, environmentId: number): Promise<void> {
  await tx`
    update atom set lease_owner = '', lease_until = '-infinity'
    where environment_id = ${environmentId} and state = 'building' and lease_owner <> ''`;
}

/**
 * Notes, after all heads, that changes of environments were passed over. False where one of them is off no more: its changes are to be applied. What turns an
 * environment on waits for the transaction that noted it first.
 */
export async function notePassedOver(tx: Sql, environmentIds: readonly number[]): Promise<boolean> {
  if (environmentIds.length === 0) return true;
  const { count } = await tx`
    update environment set has_gap = true where id = any(${tx.array([...environmentIds], INT8_ARRAY)}) and state = 'off'`;
  return count === environmentIds.length;
}

/** Which of these keys are of environments that are off. */
export async function keysOff(sql: Sql, keys: readonly string[]): Promise<Set<string>> {
  const rows = await sql<{ key: string }[]>`
    select key from environment where key = any(${sql.array([...keys], TEXT_ARRAY)}) and state = 'off' and deleted_at is null`;
  return new Set(rows.map(({ key }) => key));
}
