import { encodeFlips } from '../core/flips.js';
import { leaseAtom, markReady, noteScanned, resetBuildingAtom, type StoredAtom } from '../storage/atoms.js';
import { countChunks } from '../storage/chunks.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { type Environment, readHead, takeRevision } from '../storage/environments.js';
import { CorruptAtoms, foldAtom } from './fold.js';
import { BrokenLog, readReplay } from './replay.js';
import { BuildEnded, type BuildOptions, checkContinues, scanAtoms } from './scan-atoms.js';
import type { CommittedRevision } from './applier.js';
import { takeCatalogRevision } from './catalog-writer.js';

/** A log this short is folded while the head is held. */
const SHORT_TAIL_REVISIONS = 20;
/** Nothing is left to scan: what comes later is in the log. */
const ALL_SCANNED = Number.MAX_SAFE_INTEGER;

/** Builds one atom as `buildAtoms` does. The revision that turned it ready, undefined where this builder did not. */
export async function buildAtom(
  database: Database,
  environment: Environment,
  atomId: number,
  options: BuildOptions,
): Promise<CommittedRevision | undefined> {
  let ready: CommittedRevision | undefined;
  await buildAtoms(database, environment, [atomId], options, (_, committed) => (ready = committed));
  return ready;
}

/**
 * Builds atoms from the stored identities in one scan while changes go on, and turns each ready (I1), which `onReady` is told. Each range of ordinals is a short snapshot
 * of its own, which also reads the revision and stamps the range's chunks with it; the log since an atom was registered holds the rest. Leaves out those on which
 * another builder holds the lease.
 */
export async function buildAtoms(
  database: Database,
  environment: Environment,
  atomIds: readonly number[],
  options: BuildOptions,
  onReady: (atomId: number, committed: CommittedRevision) => void,
): Promise<void> {
  const leased: StoredAtom[] = [];
  for (const atomId of [...atomIds].sort((a, b) => a - b)) {
    const atom = await leaseAtom(database.sql, environment.id, atomId, options.owner, options.leaseMs);
    if (atom !== undefined) leased.push(atom);
  }
  try {
    for (const atom of await scanAtoms(database, environment, leased, options)) {
      const committed = await finishOrStartAgain(database, environment, atom, options);
      if (committed !== undefined) onReady(atom.id, committed);
    }
  } catch (error) {
    if (!(error instanceof BuildEnded)) throw error;
  }
}

/** Undefined where the lease of this atom was lost, or it begins again: that is no matter to the others. */
async function finishOrStartAgain(
  database: Database,
  environment: Environment,
  atom: StoredAtom,
  options: BuildOptions,
): Promise<CommittedRevision | undefined> {
  checkContinues(options);
  try {
    return await finish(database, environment, atom, options);
  } catch (error) {
    if (error instanceof BuildEnded) return undefined;
    // What the log lost, or a chunk, is in the identities still: a scan that begins now does without it (I9).
    if (error instanceof BrokenLog || error instanceof CorruptAtoms)
      return startAgain(database, environment, atom.id, options.owner);
    throw error;
  }
}

/** Folds the log since the registration, most of it without the head, then the last of it under the head, and turns the atom ready. */
async function finish(
  database: Database,
  environment: Environment,
  atom: StoredAtom,
  options: BuildOptions,
): Promise<CommittedRevision> {
  let folded = atom.registeredRevision;
  for (;;) {
    checkContinues(options);
    const reached = folded;
    const head = await readHead(database.sql, environment.id);
    if (head === undefined) throw new BuildEnded();
    if (head.revision - folded <= SHORT_TAIL_REVISIONS) break;
    folded = await inTransaction(database, { isolation: 'read committed' }, async (tx) => {
      // Locks the atom's row: no other builder takes the lease before what is written here is committed.
      if (!(await noteScanned(tx, environment.id, atom.id, options.owner, ALL_SCANNED, options.leaseMs)))
        throw new BuildEnded();
      return foldTail(tx, environment, atom, reached, head.revision, options);
    });
  }
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const flips = { catalogChanged: true, atoms: new Map() };
    const head = await takeRevision(tx, environment.id, encodeFlips(flips), true);
    if (!(await noteScanned(tx, environment.id, atom.id, options.owner, ALL_SCANNED, options.leaseMs)))
      throw new BuildEnded();
    let reached = folded;
    while (reached < head.revision) reached = await foldTail(tx, environment, atom, reached, head.revision, options);
    const chunks = await countChunks(tx, environment.id, atom.id);
    if (!(await markReady(tx, environment.id, atom.id, options.owner, head.revision, chunks))) throw new BuildEnded();
    return { environmentId: environment.id, revision: head.revision, committedAt: head.committedAt, flips };
  });
}

/** The atom as it was registered, for the next builder. */
async function startAgain(
  database: Database,
  environment: Environment,
  atomId: number,
  owner: string,
): Promise<undefined> {
  await inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const { revision } = await takeCatalogRevision(tx, environment);
    await resetBuildingAtom(tx, environment.id, atomId, revision, owner);
  });
}

async function foldTail(
  tx: Sql,
  environment: Environment,
  atom: StoredAtom,
  after: number,
  until: number,
  options: BuildOptions,
): Promise<number> {
  const replay = await readReplay(
    tx,
    environment.id,
    { after, until, maxBytes: options.replayMaxBytes },
    (atomId) => atomId === atom.id,
  );
  await foldAtom(tx, environment.id, atom.id, replay.until, replay.flips.get(atom.id) ?? new Map());
  return replay.until;
}
