import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, inTransaction } from '../../src/storage/database.js';

/**
 * Where a service's transaction can be held, without anything in the service knowing of it: triggers that wait for an advisory lock. `rows`: identity rows are written, the
 * environment's head is next; `offset`: the offset is next, then the commit; `commit`: within the commit, which goes through whatever becomes of the service.
 */
export const NAMED_POINTS = { rows: 700_001, offset: 700_002, commit: 700_003 } as const;

export type NamedPoint = keyof typeof NAMED_POINTS;

/** Who waits at a point. */
export interface Waiter {
  /** The port from which Postgres sees it come. */
  readonly port: number;
}

/** Puts the triggers in, and those of the ledger (see `ledger.ts`). */
export async function installTriggers({ sql }: Database): Promise<void> {
  await sql.unsafe(`
    create function chaos_point() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock_shared(tg_argv[0]::bigint);
      return new;
    end $$;
    create trigger chaos_rows before update on environment_head for each row
      when (new.revision <> old.revision) execute function chaos_point(${NAMED_POINTS.rows});
    create trigger chaos_offset before update on kafka_offset for each row
      when (new.next_offset <> old.next_offset) execute function chaos_point(${NAMED_POINTS.offset});
    create constraint trigger chaos_commit after update on kafka_offset deferrable initially deferred for each row
      when (new.next_offset <> old.next_offset) execute function chaos_point(${NAMED_POINTS.commit});

    create table chaos_ledger (
      id bigint generated always as identity primary key,
      topic text not null, partition integer not null, from_offset bigint not null, to_offset bigint not null,
      transaction_id text not null default pg_current_xact_id()::text, at timestamptz not null default clock_timestamp());
    create function chaos_enter() returns trigger language plpgsql as $$
    begin
      insert into chaos_ledger (topic, partition, from_offset, to_offset)
      values (new.topic, new.partition, case when tg_op = 'UPDATE' then old.next_offset else new.next_offset end, new.next_offset);
      return null;
    end $$;
    create trigger chaos_ledger_insert after insert on kafka_offset for each row execute function chaos_enter();
    create trigger chaos_ledger_update after update on kafka_offset for each row
      when (new.next_offset <> old.next_offset) execute function chaos_enter()`);
}

/**
 * Holds whoever comes to a point, and runs `work` with the first of those that `isWanted`; lets all go when it ends. Undefined where none came within
 * `timeoutMs`.
 */
export async function holdAt<T>(
  database: Database,
  point: NamedPoint,
  isWanted: (waiter: Waiter) => boolean,
  { timeoutMs, work }: { readonly timeoutMs: number; readonly work: (waiter: Waiter) => Promise<T> },
): Promise<T | undefined> {
  return inTransaction(database, { isolation: 'read committed', retries: 0 }, async (tx) => {
    await tx`select pg_advisory_xact_lock(${NAMED_POINTS[point]})`;
    const deadline = Date.now() + timeoutMs;
    while (Date.now() < deadline) {
      const waiter = (await waitersAt(database, point)).find(isWanted);
      if (waiter !== undefined) return work(waiter);
      await sleep(10);
    }
    return undefined;
  });
}

async function waitersAt({ sql }: Database, point: NamedPoint): Promise<Waiter[]> {
  return sql<Waiter[]>`
    select client_port as port from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and not granted and objid = ${NAMED_POINTS[point]}
      and database = (select oid from pg_database where datname = current_database())`;
}
