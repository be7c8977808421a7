import { setImmediate } from 'node:timers/promises';
import type { LimitFunction } from 'p-limit';
import type { Chunk, OrdinalSet } from '../core/bitmap.js';
import { encodeFlips } from '../core/flips.js';
import { leaseAtom, markReady, noteScanned, resetBuildingAtom, type StoredAtom } from '../storage/atoms.js';
import { countChunks, writeChunks } from '../storage/chunks.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { type Environment, readHead, takeRevision } from '../storage/environments.js';
import { BuildRanges, type Range } from './build-ranges.js';
import type { RangeEvaluator } from './evaluate-column.js';
import { rangeEvaluator } from './evaluate-range.js';
import { CorruptAtoms, foldAtom } from './fold.js';
import { BrokenLog, readReplay } from './replay.js';
import type { CommittedRevision } from './applier.js';
import { takeCatalogRevision } from './catalog-writer.js';

/** How one builder goes about it. */
export interface BuildOptions {
  /** Who holds the lease: unique among processes. */
  readonly owner: string;
  readonly leaseMs: number;
  /** Chunks of 2^16 ordinals in one snapshot where ordinals are dense, at most 8. */
  readonly rangeChunks: number;
  readonly replayMaxBytes: number;
  readonly signal: AbortSignal;
  /** Bounds the ranges that all builds of a process read at once; without it each build has its own bound. */
  readonly limitReads?: LimitFunction;
}

/** A log this short is folded while the head is held. */
const SHORT_TAIL_REVISIONS = 20;
/** Postgres reads a range on one core; while two are read, one more is evaluated. */
export const RANGES_AT_ONCE = 3;
/** Chunks that are stored in one go: for so long nothing else of the process is answered. */
const CHUNKS_IN_ONE_GO = 128;
/** Nothing is left to scan: what comes later is in the log. */
const ALL_SCANNED = Number.MAX_SAFE_INTEGER;

/**
 * Builds an atom from the stored identities while changes go on, and turns it ready (I1). Each range of ordinals is a short snapshot of its own,
 * which also reads the revision and stamps the range's chunks with it; the log since the atom was registered holds the rest. Without effect
 * where another builder holds the lease. The revision that turned it ready, undefined where this builder did not.
 */
export async function buildAtom(
  database: Database,
  environment: Environment,
  atomId: number,
  options: BuildOptions,
): Promise<CommittedRevision | undefined> {
  const atom = await leaseAtom(database.sql, environment.id, atomId, options.owner, options.leaseMs);
  if (atom === undefined) return undefined;
  try {
    await scan(database, environment, atom, options);
    return await finish(database, environment, atom, options);
  } catch (error) {
    if (error instanceof BuildEnded) return undefined;
    // What the log lost, or a chunk, is in the identities still: a scan that begins now does without it (I9).
    if (error instanceof BrokenLog || error instanceof CorruptAtoms)
      return startAgain(database, environment, atomId, options.owner);
    throw error;
  }
}

/** The lease was lost, the environment deleted or the builder told to stop: someone else goes on where this one stopped. */
class BuildEnded extends Error {}

function checkContinues(options: BuildOptions): void {
  if (options.signal.aborted) throw new BuildEnded();
}

/** What a snapshot gave of a range: its chunks, and the revision that they hold. */
interface ScannedRange extends Range {
  readonly revision: number;
  readonly chunks: readonly Chunk[];
}

async function scan(
  database: Database,
  environment: Environment,
  atom: StoredAtom,
  options: BuildOptions,
): Promise<void> {
  const evaluate = await rangeEvaluator(database.sql, environment, atom);
  const ranges = new BuildRanges(database.sql, environment.id, atom.scannedBelow, options.rangeChunks);
  const reading: Promise<ScannedRange>[] = [];
  const readAhead = async (): Promise<void> => {
    while (reading.length < RANGES_AT_ONCE) {
      const range = await ranges.next();
      if (range === undefined) return;
      const readNow = (): Promise<ScannedRange> => readRange(database, environment, evaluate, range);
      const read = options.limitReads === undefined ? readNow() : options.limitReads(readNow);
      // Another may fail first.
      read.catch(() => undefined);
      reading.push(read);
    }
  };
  for (;;) {
    checkContinues(options);
    await readAhead();
    const scanned = await reading.shift();
    if (scanned === undefined) return;
    // Postgres reads the next while this one is stored.
    await readAhead();
    await writeRange(database, environment, atom, scanned, options);
  }
}

async function readRange(
  database: Database,
  environment: Environment,
  evaluate: RangeEvaluator,
  { from, until }: Range,
): Promise<ScannedRange> {
  return inTransaction(database, { isolation: 'repeatable read', readOnly: true }, async (tx) => {
    const head = await readHead(tx, environment.id);
    if (head === undefined) throw new BuildEnded();
    const set = await evaluate(tx, from, until);
    const chunks = await chunksOf(set);
    set.dispose();
    return { from, until, revision: head.revision, chunks };
  });
}

async function chunksOf(set: OrdinalSet): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  let looked = 0;
  for (const number of set.chunkNumbers()) {
    if (++looked % CHUNKS_IN_ONE_GO === 0) await setImmediate();
    const chunk = set.chunk(number);
    if (chunk !== undefined) chunks.push(chunk);
  }
  return chunks;
}

/** Chunks and how far the scan came go together, and only while the lease holds. */
async function writeRange(
  database: Database,
  environment: Environment,
  atom: StoredAtom,
  range: ScannedRange,
  options: BuildOptions,
): Promise<void> {
  await inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    if (!(await noteScanned(tx, environment.id, atom.id, options.owner, range.until, options.leaseMs)))
      throw new BuildEnded();
    await writeChunks(tx, environment.id, atom.id, range.revision, range.chunks);
  });
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
