import type { Database } from '../../src/storage/database.js';

/** Bytes of write-ahead log; the first write to a page after a checkpoint puts an image of the whole page there as well. */
export interface WalBytes {
  readonly withImages: number;
  readonly withoutImages: number;
}

/** What `work` writes to the log, right after a checkpoint. Whatever else the server writes meanwhile counts too. */
export async function walOf({ sql }: Database, work: () => Promise<void>): Promise<WalBytes> {
  await sql.unsafe('create extension if not exists pg_walinspect');
  await sql.unsafe('checkpoint');
  const start = await flushed(sql);
  await work();
  const [row] = await sql<{ records: number; images: number }[]>`
    select sum(record_size)::float8 as records, sum(fpi_size)::float8 as images from pg_get_wal_stats(${start}::pg_lsn, ${await flushed(sql)}::pg_lsn)`;
  const { records = NaN, images = NaN } = row ?? {};
  return { withImages: records + images, withoutImages: records };
}

async function flushed(sql: Database['sql']): Promise<string> {
  const [row] = await sql<{ lsn: string }[]>`select pg_current_wal_flush_lsn()::text as lsn`;
  return row?.lsn ?? '';
}
