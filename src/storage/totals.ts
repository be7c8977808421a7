import type { Sql } from './database.js';

/** What there is in all environments together. */
export interface Totals {
  readonly atomsReady: number;
  readonly atomsBuilding: number;
  readonly logRevisions: number;
  readonly logBytes: number;
  readonly deadLetters: number;
  readonly quarantinedIdentities: number;
  readonly waitingCaptures: number;
}

/** Counts in one statement. */
export async function readTotals(sql: Sql): Promise<Totals> {
  const [totals] = await sql<Totals[]>`
    select
      (select count(*) from atom where state = 'ready')::int as "atomsReady",
      (select count(*) from atom where state = 'building')::int as "atomsBuilding",
      (select count(*) from atom_log)::int as "logRevisions",
      (select coalesce(sum(octet_length(payload)), 0) from atom_log)::float8 as "logBytes",
      (select count(*) from dead_letter)::int as "deadLetters",
      (select count(*) from quarantined_identity)::int as "quarantinedIdentities",
      (select count(*) from waiting_capture)::int as "waitingCaptures"`;
  if (totals === undefined) throw new RangeError('a statement of counts gave no row');
  return totals;
}
