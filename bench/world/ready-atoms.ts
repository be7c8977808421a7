import type { Chunk } from '../../src/core/bitmap.js';
import { type Database, inTransaction } from '../../src/storage/database.js';
import { type Environment, INT8_ARRAY } from '../../src/storage/environments.js';
import { writeChunks } from '../../src/storage/chunks.js';

const CHUNKS_PER_TRANSACTION = 1_000;

/** Writes the chunks of an atom as they are given, in bounded memory; how many, and their bytes. The atom is not ready yet. */
export async function writeAtomChunks(
  database: Database,
  environment: Environment,
  atomId: number,
  chunks: Iterable<Chunk>,
): Promise<{ count: number; bytes: number }> {
  const total = { count: 0, bytes: 0 };
  let batch: Chunk[] = [];
  const write = async (): Promise<void> => {
    const own = batch;
    batch = [];
    await inTransaction(database, { isolation: 'read committed' }, (tx) =>
      writeChunks(tx, environment.id, atomId, 0, own),
    );
  };
  for (const chunk of chunks) {
    batch.push(chunk);
    total.count++;
    total.bytes += chunk.bitmap.length;
    if (batch.length === CHUNKS_PER_TRANSACTION) await write();
  }
  if (batch.length > 0) await write();
  return total;
}

/** Makes atoms ready whose chunks were generated rather than built: of each its id and how many chunks it has. */
export async function markAtomsReady(
  database: Database,
  environment: Environment,
  atoms: readonly { readonly id: number; readonly chunks: number }[],
): Promise<void> {
  const ids = atoms.map(({ id }) => id);
  const chunks = atoms.map((atom) => atom.chunks);
  await database.sql`
    update atom set state = 'ready', chunks = made.chunks, base_revision = environment_head.revision
    from unnest(${database.sql.array(ids, INT8_ARRAY)}::bigint[], ${database.sql.array(chunks, INT8_ARRAY)}::bigint[]) as made (id, chunks), environment_head
    where atom.environment_id = ${environment.id} and atom.id = made.id and environment_head.environment_id = ${environment.id}`;
}
