import type { Database } from '../../src/storage/database.js';

/** Counts the rows that are written in a database. */
export interface WrittenRows {
  start(): Promise<void>;
  /** Since `start`, how many of each table that was written at all. */
  stop(): Promise<Record<string, number>>;
}

/** Installs a trigger on each table that counts the rows it is written. */
export async function installWrittenRows({ sql }: Database): Promise<WrittenRows> {
  await sql.unsafe(`
    create table written_row (of_table text not null);
    create function note_written_row() returns trigger language plpgsql as $$
    begin
      insert into written_row values (tg_table_name);
      return null;
    end $$;
    do $$
    declare
      name text;
    begin
      for name in select tablename from pg_tables where schemaname = 'public' and tablename <> 'written_row' loop
        execute format('create trigger written after insert or update or delete on %I for each row execute function note_written_row()', name);
      end loop;
    end $$`);
  return {
    async start() {
      await sql`truncate written_row`;
    },
    async stop() {
      const rows = await sql<{ name: string; count: number }[]>`
        select of_table as name, count(*)::int as count from written_row group by of_table order by of_table`;
      return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
    },
  };
}
