import type { Chunk } from '../core/bitmap.js';
import { crc32c } from '../core/checksum.js';
import type { Sql } from './database.js';
import { INT8_ARRAY } from './environments.js';

/** A chunk row: every revision up to `revision` is in it, as far as the atom's base or its scan goes. */
export interface StoredChunk extends Chunk {
  readonly atomId: number;
  readonly revision: number;
  readonly bitmap: Buffer;
}

const ROWS_PER_STATEMENT = 500;

/**
 * Mixed into a stored checksum, so that a row that has come under another atom shows as damaged (I9). Mixing it in again takes it out.
 */
function mixAtom(crc: number, environmentId: number, atomId: number): number {
  return (crc ^ crc32c(Buffer.from(`${environmentId}:${atomId}`))) >>> 0;
}

function unmixed(environmentId: number, chunk: StoredChunk): StoredChunk {
  return { ...chunk, crc32c: mixAtom(chunk.crc32c, environmentId, chunk.atomId) };
}

const columns = (sql: Sql) => sql`atom_id as "atomId", chunk, revision, cardinality, crc32c, bitmap`;

/** Every chunk of these atoms, in no order, not yet checked, in batches of bounded size. Within a transaction. */
export async function* readChunks(
  sql: Sql,
  environmentId: number,
  atomIds: readonly number[],
): AsyncGenerator<StoredChunk[]> {
  const batches = sql<StoredChunk[]>`
    select ${columns(sql)} from atom_chunk where environment_id = ${environmentId} and atom_id = any(${sql.array([...atomIds], INT8_ARRAY)})
  `.cursor(ROWS_PER_STATEMENT);
  for await (const batch of batches) yield batch.map((chunk) => unmixed(environmentId, chunk));
}

/** Those of the named chunks of an atom that are there, in no order, not yet checked. */
export async function readSomeChunks(
  sql: Sql,
  environmentId: number,
  atomId: number,
  chunks: readonly number[],
): Promise<StoredChunk[]> {
  const rows = await sql<StoredChunk[]>`
    select ${columns(sql)} from atom_chunk
    where environment_id = ${environmentId} and atom_id = ${atomId} and chunk = any(${sql.array([...chunks], INT8_ARRAY)})`;
  return rows.map((chunk) => unmixed(environmentId, chunk));
}

/** Writes chunks of an atom over those that are there. */
export async function writeChunks(
  sql: Sql,
  environmentId: number,
  atomId: number,
  revision: number,
  chunks: readonly Chunk[],
): Promise<void> {
  for (let from = 0; from < chunks.length; from += ROWS_PER_STATEMENT) {
    const rows = chunks
      .slice(from, from + ROWS_PER_STATEMENT)
      .map(({ chunk, cardinality, crc32c: checksum, bitmap }) => ({
        environment_id: environmentId,
        atom_id: atomId,
        chunk,
        revision,
        cardinality,
        crc32c: mixAtom(checksum, environmentId, atomId),
        bitmap: Buffer.from(bitmap),
      }));
    await sql`
      insert into atom_chunk ${sql(rows)}
      on conflict (environment_id, atom_id, chunk) do update
      set revision = excluded.revision, cardinality = excluded.cardinality, crc32c = excluded.crc32c, bitmap = excluded.bitmap`;
  }
}

/** Removes chunks of an atom that have become empty. */
export async function deleteChunks(
  sql: Sql,
  environmentId: number,
  atomId: number,
  chunks: readonly number[],
): Promise<void> {
  if (chunks.length === 0) return;
  await sql`delete from atom_chunk where environment_id = ${environmentId} and atom_id = ${atomId} and chunk = any(${sql.array([...chunks], INT8_ARRAY)})`;
}

/** The smallest chunk that is at least `from` of which any atom has a row; undefined where there is none. */
export async function nextStoredChunk(sql: Sql, environmentId: number, from: number): Promise<number | undefined> {
  const [row] = await sql<{ chunk: number | null }[]>`
    select min((select min(chunk) from atom_chunk where environment_id = ${environmentId} and atom_id = atom.id and chunk >= ${from})) as chunk
    from atom where environment_id = ${environmentId}`;
  return row?.chunk ?? undefined;
}

/** How many chunks an atom has. */
export async function countChunks(sql: Sql, environmentId: number, atomId: number): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from atom_chunk where environment_id = ${environmentId} and atom_id = ${atomId}`;
  return row?.count ?? 0;
}

/** How many ordinals the chunks of each atom hold, as of its base. */
export async function cardinalities(sql: Sql, environmentId: number): Promise<Map<number, number>> {
  const rows = await sql<{ atomId: number; cardinality: number }[]>`
    select atom_id as "atomId", sum(cardinality)::bigint as cardinality from atom_chunk where environment_id = ${environmentId} group by atom_id`;
  return new Map(rows.map(({ atomId, cardinality }) => [atomId, cardinality]));
}
