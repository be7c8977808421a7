import { setImmediate } from 'node:timers/promises';
import type { LimitFunction } from 'p-limit';
import { type Chunk, CHUNK_SIZE, type OrdinalSet } from '../core/bitmap.js';
import { noteScanned, type StoredAtom } from '../storage/atoms.js';
import { writeChunks } from '../storage/chunks.js';
import { type Database, inTransaction } from '../storage/database.js';
import { type Environment, readHead } from '../storage/environments.js';
import { BuildRanges, type Range } from './build-ranges.js';
import type { RangeEvaluator } from './evaluate-column.js';
import { groupEvaluator } from './evaluate-range.js';

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

/** Postgres reads a range on one core; while two are read, one more is evaluated. */
export const RANGES_AT_ONCE = 3;
/** Chunks that are stored in one go: for so long nothing else of the process is answered. */
const CHUNKS_IN_ONE_GO = 128;

/** The lease was lost, the environment deleted or the builder told to stop: someone else goes on where this one stopped. */
export class BuildEnded extends Error {}

/** Throws BuildEnded where the builder was told to stop. */
export function checkContinues(options: BuildOptions): void {
  if (options.signal.aborted) throw new BuildEnded();
}

/** What a snapshot gave of a range: the chunks of each atom, in the order of the atoms, and the revision that they hold. */
interface ScannedRange extends Range {
  readonly revision: number;
  readonly chunks: readonly (readonly Chunk[])[];
}

/** Scans the identities for atoms by id, each from where an earlier scan of it ended. Those on which the lease still holds in the end. */
export async function scanAtoms(
  database: Database,
  environment: Environment,
  atoms: readonly StoredAtom[],
  options: BuildOptions,
): Promise<StoredAtom[]> {
  const held = new Set(atoms);
  const evaluate = await groupEvaluator(database.sql, environment, atoms);
  const start = Math.min(...atoms.map(({ scannedBelow }) => scannedBelow));
  const ranges = new BuildRanges(database.sql, environment.id, start, options.rangeChunks);
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
  while (held.size > 0) {
    checkContinues(options);
    await readAhead();
    const scanned = await reading.shift();
    if (scanned === undefined) break;
    // Postgres reads the next while this one is stored.
    await readAhead();
    for (const lost of await writeRange(database, environment, { atoms, held }, scanned, options)) held.delete(lost);
  }
  return atoms.filter((atom) => held.has(atom));
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
    const chunks: Chunk[][] = [];
    for (const set of await evaluate(tx, from, until)) {
      chunks.push(await chunksOf(set));
      set.dispose();
    }
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

/** Chunks and how far the scan came go together, and only while the lease holds. The atoms on which it was lost. */
async function writeRange(
  database: Database,
  environment: Environment,
  { atoms, held }: { readonly atoms: readonly StoredAtom[]; readonly held: ReadonlySet<StoredAtom> },
  range: ScannedRange,
  { owner, leaseMs }: BuildOptions,
): Promise<StoredAtom[]> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const lost: StoredAtom[] = [];
    for (const [place, atom] of atoms.entries()) {
      if (!held.has(atom)) continue;
      // The lease is renewed also while others catch up.
      const scannedBelow = Math.max(range.until, atom.scannedBelow);
      if (await noteScanned(tx, environment.id, atom.id, owner, scannedBelow, leaseMs)) {
        const chunks = (range.chunks[place] ?? []).filter(({ chunk }) => chunk * CHUNK_SIZE >= atom.scannedBelow);
        await writeChunks(tx, environment.id, atom.id, range.revision, chunks);
      } else lost.push(atom);
    }
    return lost;
  });
}
