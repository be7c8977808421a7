import type { Database } from '../../src/storage/database.js';

/** Tables that a batch writes. */
const TABLES = ['identity', 'environment_head', 'atom_log'];

/** What happens in the middle of a statement: its connection is cut, or it fails with an SQLSTATE. */
export type Fault = 'cut' | '40001' | '40P01';

/** Faults in the writing statements of a database, the last of them in its commit. */
export interface StatementFaults {
  /** The `nth` write from now on, the first being 1, meets the fault, once. */
  arm(fault: Fault, nth: number): Promise<void>;
  /** How many writes there were since the last `arm`. */
  count(): Promise<number>;
}

/** Installs triggers that count writes outside of transactions, by a sequence, and at the one that is armed do what was asked. */
export async function installFaults({ sql }: Database): Promise<StatementFaults> {
  await sql.unsafe(`
    create sequence fault_clock minvalue 0 start 0;
    create table fault (kind text not null, nth bigint not null);
    create function meet_fault() returns trigger language plpgsql as $$
    declare
      armed record;
      now bigint := nextval('fault_clock');
    begin
      select * into armed from fault;
      if found and now = armed.nth then
        if armed.kind = 'cut' then perform pg_terminate_backend(pg_backend_pid()), pg_sleep(1); end if;
        raise exception 'a fault' using errcode = armed.kind;
      end if;
      return null;
    end $$;
    ${TABLES.map(
      (table) => `
      create trigger fault_before before insert or update or delete on ${table} for each statement execute function meet_fault();
      create trigger fault_after after insert or update or delete on ${table} for each statement execute function meet_fault();
      create constraint trigger fault_commit after insert or update on ${table} initially deferred for each row execute function meet_fault();`,
    ).join('')}
  `);
  return {
    async arm(fault, nth) {
      await sql`delete from fault`;
      await sql`insert into fault values (${fault}, ${nth})`;
      await sql`select setval('fault_clock', 0)`;
    },
    async count() {
      const [row] = await sql<{ last: number }[]>`select last_value as last from fault_clock`;
      return row?.last ?? 0;
    },
  };
}
