import type { Database } from '../../src/storage/database.js';

/** Waits until `count` connections of this database wait for a lock. */
export async function waitUntilBlocked({ sql }: Database, count: number): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const blocked =
      await sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    if (blocked.length >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`there never were ${count} blocked connections`);
}
