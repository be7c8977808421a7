import { isChunkIntact, OrdinalSet } from '../core/bitmap.js';
import { RollcallError } from '../core/errors.js';
import { decodeFlips, type RevisionFlips, UNIVERSE_ATOM_ID } from '../core/flips.js';
import { type AtomBase, readAtoms, readBases, readUniverse } from '../storage/atoms.js';
import { readChunks, type StoredChunk } from '../storage/chunks.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { type Environment, findEnvironmentById, type Head, readHead } from '../storage/environments.js';
import { type LogRow, readLog } from '../storage/log.js';
import { readSegmentVersions } from '../storage/segments.js';
import { ReaderCatalog } from './reader-catalog.js';

/** An atom as its chunks hold it, at its base revision. */
export interface BaseSet {
  readonly baseRevision: number;
  readonly registeredRevision: number;
  readonly set: OrdinalSet;
}

/** One logged revision, decoded. */
export interface LoggedRevision {
  readonly revision: number;
  readonly committedAt: Date;
  readonly flips: RevisionFlips;
}

/**
 * What one REPEATABLE READ snapshot gave: a head, the log up to it, ascending, from the lowest base and from memory's own revision (that
 * included, unless it is too far back), the bases and, if it moved, the catalog.
 */
export interface IndexSnapshot {
  readonly head: Head;
  readonly log: readonly LoggedRevision[];
  readonly bases: ReadonlyMap<number, BaseSet>;
  readonly catalog: ReaderCatalog | undefined;
}

/** What a snapshot is asked for. `revision` and `catalogRevision` are those in memory, -1 for none. */
export interface SnapshotRequest {
  readonly environment: Environment;
  readonly atomIds: readonly number[];
  readonly revision: number;
  readonly catalogRevision: number;
  readonly maxBytes: number;
}

/** Told of an atom whose stored chunks are damaged, so that it is built again. */
export type CorruptionReport = (environment: Environment, atomId: number) => void;

const LOG_ROWS_PER_READ = 500;
/** Memory that is further behind than this is loaded again from the chunks rather than brought up revision by revision. */
const MAX_FOLLOWED_REVISIONS = 5000;

/** Reads a snapshot. Throws ENVIRONMENT_NOT_FOUND, INDEX_CORRUPT (after reporting the atom), INDEX_MEMORY_EXCEEDED or what the database throws. */
export async function readSnapshot(
  database: Database,
  request: SnapshotRequest,
  onCorrupt: CorruptionReport,
): Promise<IndexSnapshot> {
  return inTransaction(database, { isolation: 'repeatable read', readOnly: true }, async (tx) => {
    const { environment } = request;
    const head = await readHead(tx, environment.id);
    if (head === undefined) throw unknownEnvironment(environment);
    const catalog =
      head.catalogRevision === request.catalogRevision ? undefined : await readCatalog(tx, environment, head);
    const bases = await readBaseSets(tx, request, onCorrupt);
    const lowestBase = Math.min(head.revision, ...[...bases.values()].map(({ baseRevision }) => baseRevision));
    const follows = request.revision >= 0 && head.revision - request.revision <= MAX_FOLLOWED_REVISIONS;
    const log = await readTail(
      tx,
      environment.id,
      follows ? Math.min(lowestBase, request.revision - 1) : lowestBase,
      head.revision,
    );
    checkTail(environment, log, head.revision, bases, onCorrupt);
    return { head, catalog, bases, log };
  });
}

/** Every revision since an atom's base must be there: without one the atom cannot be brought up to the head. */
function checkTail(
  environment: Environment,
  log: readonly LoggedRevision[],
  headRevision: number,
  bases: ReadonlyMap<number, BaseSet>,
  onCorrupt: CorruptionReport,
): void {
  const lastMisplaced = log.findLastIndex(
    ({ revision }, index) => revision !== headRevision - (log.length - 1 - index),
  );
  const wholeAfter = headRevision - (log.length - 1 - lastMisplaced);
  const broken = [...bases].filter(([, { baseRevision }]) => baseRevision < wholeAfter);
  if (broken.length === 0) return;
  for (const [atomId] of broken) onCorrupt(environment, atomId);
  throw new RollcallError('INDEX_CORRUPT', 'the log of an environment is damaged; its bitmaps are being built again', {
    metadata: { retryAfterMs: '1000' },
  });
}

async function readCatalog(tx: Sql, known: Environment, head: Head): Promise<ReaderCatalog> {
  const environment = await findEnvironmentById(tx, known.id);
  if (environment === undefined) throw unknownEnvironment(known);
  const atoms = await readAtoms(tx, environment.id);
  const versions = await readSegmentVersions(tx, environment.project);
  return new ReaderCatalog(environment, head.catalogRevision, atoms, versions, await readUniverse(tx, environment.id));
}

async function readTail(tx: Sql, environmentId: number, after: number, until: number): Promise<LoggedRevision[]> {
  const log: LoggedRevision[] = [];
  let reached = after;
  while (reached < until) {
    const rows = await readLog(tx, environmentId, reached, until, LOG_ROWS_PER_READ);
    for (const row of rows) log.push(...decodeIntact(row));
    const last = rows.at(-1);
    if (last === undefined) break;
    reached = last.revision;
  }
  return log;
}

/** A damaged row is as good as a lost one. */
function decodeIntact({ revision, committedAt, payload }: LogRow): LoggedRevision[] {
  try {
    return [{ revision, committedAt, flips: decodeFlips(payload) }];
  } catch {
    return [];
  }
}

/** Atoms that are not ready are left out: the catalog says so to whoever needs them. */
async function readBaseSets(
  tx: Sql,
  request: SnapshotRequest,
  onCorrupt: CorruptionReport,
): Promise<Map<number, BaseSet>> {
  const sets = new Map<number, BaseSet>();
  if (request.atomIds.length === 0) return sets;
  const bases = (await readBases(tx, request.environment.id, request.atomIds)).filter(({ state }) => state === 'ready');
  if (request.atomIds.includes(UNIVERSE_ATOM_ID) && !bases.some(({ id }) => id === UNIVERSE_ATOM_ID))
    throw universeBuilding();
  const byAtom = new Map<number, StoredChunk[]>(bases.map(({ id }) => [id, []]));
  let bytes = 0;
  for await (const chunks of readChunks(tx, request.environment.id, [...byAtom.keys()])) {
    for (const chunk of chunks) {
      bytes += chunk.bitmap.length;
      byAtom.get(chunk.atomId)?.push(chunk);
    }
    if (bytes > request.maxBytes) throw memoryExceeded(request.maxBytes);
  }
  for (const base of bases) {
    const chunks = byAtom.get(base.id) ?? [];
    if (!isWhole(base, chunks)) {
      onCorrupt(request.environment, base.id);
      throw new RollcallError('INDEX_CORRUPT', 'a stored bitmap is damaged; it is being built again', {
        metadata: { atom: String(base.id), retryAfterMs: '1000' },
      });
    }
    sets.set(base.id, {
      baseRevision: base.baseRevision,
      registeredRevision: base.registeredRevision,
      set: OrdinalSet.fromChunks(chunks),
    });
  }
  return sets;
}

/** A lost row, a torn row and a row that belongs elsewhere all show (I9). */
function isWhole(base: AtomBase, chunks: readonly StoredChunk[]): boolean {
  return chunks.length === base.chunks && chunks.every(isChunkIntact);
}

function unknownEnvironment({ key }: Environment): RollcallError {
  return new RollcallError('ENVIRONMENT_NOT_FOUND', `the environment '${key}' does not exist`, {
    metadata: { environment: key },
  });
}

function universeBuilding(): RollcallError {
  return new RollcallError('ATOM_BUILDING', 'the bitmap of all identities is being built again', {
    metadata: { atom: String(UNIVERSE_ATOM_ID), progress: '0', retryAfterMs: '1000' },
  });
}

function memoryExceeded(maxBytes: number): RollcallError {
  return new RollcallError('INDEX_MEMORY_EXCEEDED', 'the bitmaps of this segment do not fit into the chunk cache', {
    metadata: { maxBytes: String(maxBytes) },
  });
}
