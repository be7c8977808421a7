import { type Chunk, chunkOf, isChunkIntact, OrdinalSet } from '../core/bitmap.js';
import { RollcallError } from '../core/errors.js';
import { type AtomBase, lockReadyBases, lowestNeededRevision, moveBases } from '../storage/atoms.js';
import { deleteChunks, readSomeChunks, writeChunks } from '../storage/chunks.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { readHead } from '../storage/environments.js';
import { oldestLogged, trimLog } from '../storage/log.js';
import { lowestHeldRevision } from '../storage/held-revisions.js';
import { purgeTombstones } from '../storage/identities.js';
import { BrokenLog, readReplay } from './replay.js';

/** Atoms whose stored chunks are damaged, or need what the log has lost: they must be built again. */
export class CorruptAtoms extends RollcallError {
  readonly atomIds: readonly number[];

  constructor(atomIds: readonly number[], cause?: unknown) {
    super('INDEX_CORRUPT', 'what is stored of some atoms is damaged; they are being built again', {
      metadata: { atom: atomIds.join(', ') },
      cause,
    });
    this.atomIds = atomIds;
  }
}

/**
 * Writes a run of the log into the chunks of the ready atoms: at most about `maxBytes` of it, in one transaction that moves chunks and bases together
 * under the atoms' locks, so no answer changes (I9). True when the log was folded to its end. Throws CorruptAtoms.
 */
export async function fold(database: Database, environmentId: number, maxBytes: number): Promise<boolean> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const bases = await lockReadyBases(tx, environmentId);
    const head = await readHead(tx, environmentId);
    if (head === undefined || bases.length === 0) return true;
    const after = Math.min(...bases.map(({ baseRevision }) => baseRevision));
    const behind = new Map(
      bases.filter(({ baseRevision }) => baseRevision < head.revision).map((base) => [base.id, base]),
    );
    if (behind.size === 0) return true;
    // What an atom holds already is not put onto it again: where it was built anew, the log may be wrong and the atom right.
    const isWanted = (atomId: number, revision: number): boolean =>
      revision > (behind.get(atomId)?.baseRevision ?? Infinity);
    const replay = await readReplay(tx, environmentId, { after, until: head.revision, maxBytes }, isWanted).catch(
      (error: unknown) => {
        throw error instanceof BrokenLog ? new CorruptAtoms(basedBelow(bases, error.revision), error) : error;
      },
    );
    const moved: { id: number; chunks: number }[] = [];
    for (const base of behind.values()) {
      if (base.baseRevision >= replay.until) continue;
      const flips = replay.flips.get(base.id);
      const grown = flips === undefined ? 0 : await foldAtom(tx, environmentId, base.id, replay.until, flips);
      moved.push({ id: base.id, chunks: base.chunks + grown });
    }
    await moveBases(tx, environmentId, replay.until, moved);
    return replay.until === head.revision;
  });
}

function basedBelow(bases: readonly AtomBase[], revision: number): number[] {
  return bases.filter(({ baseRevision }) => baseRevision < revision).map(({ id }) => id);
}

/**
 * Puts flips onto an atom's chunk rows and stamps them with `revision`; by how many the atom's chunks grew. Chunks that become empty go.
 * Throws CorruptAtoms.
 */
export async function foldAtom(
  tx: Sql,
  environmentId: number,
  atomId: number,
  revision: number,
  flips: ReadonlyMap<number, boolean>,
): Promise<number> {
  const touched = [...new Set([...flips.keys()].map(chunkOf))];
  const stored = await readSomeChunks(tx, environmentId, atomId, touched);
  if (!stored.every(isChunkIntact)) throw new CorruptAtoms([atomId]);
  const set = OrdinalSet.fromChunks(stored);
  for (const [ordinal, isSet] of flips) {
    if (isSet) set.add(ordinal);
    else set.delete(ordinal);
  }
  const written: Chunk[] = [];
  for (const number of touched) {
    const chunk = set.chunk(number);
    if (chunk !== undefined) written.push(chunk);
  }
  set.dispose();
  const kept = new Set(written.map(({ chunk }) => chunk));
  await writeChunks(tx, environmentId, atomId, revision, written);
  await deleteChunks(
    tx,
    environmentId,
    atomId,
    stored.map(({ chunk }) => chunk).filter((chunk) => !kept.has(chunk)),
  );
  return written.length - stored.length;
}

/**
 * Removes log rows that no atom needs and that are older than the retention, then the tombstones that no log row and no held stream
 * is older than.
 */
export async function trim(database: Database, environmentId: number, retentionMs: number): Promise<void> {
  const needed = await lowestNeededRevision(database.sql, environmentId);
  await trimLog(database.sql, environmentId, needed, retentionMs);
  const oldest = await oldestLogged(database.sql, environmentId);
  const held = await lowestHeldRevision(database.sql, environmentId);
  await purgeTombstones(database.sql, environmentId, Math.min(oldest ?? needed, held ?? Infinity));
}
