import type { Sql } from './database.js';

/**
 * Keeps the tombstones of revisions from `revision` on for `forMs`, until the same holder says otherwise. Streams wait for it, so it is not flushed: what a
 * crash of Postgres loses is written again by the next renewal.
 */
export async function holdRevision(
  sql: Sql,
  environmentId: number,
  holder: string,
  revision: number,
  forMs: number,
): Promise<void> {
  await sql`
    insert into held_revision (environment_id, holder, revision, held_until)
    select ${environmentId}::bigint, ${holder}::text, ${revision}::bigint, now() + ${forMs} * interval '1 millisecond'
    from set_config('synchronous_commit', 'off', true)
    on conflict (environment_id, holder) do update set revision = excluded.revision, held_until = excluded.held_until`;
}

/** Ends what `holdRevision` began. */
export async function releaseRevision(sql: Sql, environmentId: number, holder: string): Promise<void> {
  await sql`delete from held_revision where environment_id = ${environmentId} and holder = ${holder}`;
}

/** The lowest revision that is held; undefined where none is. Forgets holders that are gone. */
export async function lowestHeldRevision(sql: Sql, environmentId: number): Promise<number | undefined> {
  await sql`delete from held_revision where environment_id = ${environmentId} and held_until < now()`;
  const [row] = await sql<
    { revision: number | null }[]
  >`select min(revision) as revision from held_revision where environment_id = ${environmentId}`;
  return row?.revision ?? undefined;
}
