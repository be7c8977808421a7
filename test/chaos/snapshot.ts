import { OrdinalSet } from '../../src/core/bitmap.js';
import { decodeFlips, UNIVERSE_ATOM_ID } from '../../src/core/flips.js';
import { splitTraits } from '../../src/core/trait-text.js';
import { readAtoms, readUniverse, type StoredAtom } from '../../src/storage/atoms.js';
import { readChunks } from '../../src/storage/chunks.js';
import { type Database, inTransaction, type Sql } from '../../src/storage/database.js';
import { type Environment, listEnvironments, readHead } from '../../src/storage/environments.js';
import { readLog } from '../../src/storage/log.js';

/** An identity row that is live. */
export interface StoredRow {
  readonly id: number;
  readonly identifier: string;
  readonly traits: ReadonlyMap<string, string>;
}

export interface StoredLetter {
  readonly partition: number;
  readonly offset: number;
  readonly reason: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/** One environment at the snapshot's moment. `bitmaps` are of the ready atoms that were asked for and of the universe, by id: chunks and log together. */
export interface EnvironmentSnapshot {
  readonly environment: Environment;
  readonly revision: number;
  readonly rows: readonly StoredRow[];
  readonly tombstones: readonly number[];
  readonly quarantined: readonly string[];
  readonly atoms: readonly StoredAtom[];
  readonly bitmaps: ReadonlyMap<number, ReadonlySet<number>>;
  /** Revisions that the log lacks, or has twice. */
  readonly missingRevisions: number;
}

/** All that the service has stored, at one moment. */
export interface Snapshot {
  readonly offsets: ReadonlyMap<number, number>;
  readonly stopped: readonly string[];
  /** Watermarks later than the moment itself. */
  readonly futureWatermarks: number;
  readonly letters: readonly StoredLetter[];
  readonly environments: readonly EnvironmentSnapshot[];
}

/** Reads it in one transaction, by code of our own but for the forms of chunks and log rows. */
export async function readSnapshot(
  database: Database,
  topic: string,
  isWanted: (atom: StoredAtom) => boolean = () => true,
): Promise<Snapshot> {
  return inTransaction(database, { isolation: 'repeatable read', readOnly: true }, async (tx) => {
    const environments: EnvironmentSnapshot[] = [];
    for (const environment of await listEnvironments(tx, '', 100))
      environments.push(await readEnvironment(tx, environment, isWanted));
    const offsets = await tx<{ partition: number; next: number; stopped: string; isFuture: boolean }[]>`
      select partition, next_offset as next, stopped_reason as stopped, watermark > clock_timestamp() as "isFuture"
      from kafka_offset where topic = ${topic}`;
    return {
      offsets: new Map(offsets.map(({ partition, next }) => [partition, next])),
      stopped: offsets
        .filter(({ stopped }) => stopped !== '')
        .map(({ partition, stopped }) => `${partition}: ${stopped}`),
      futureWatermarks: offsets.filter(({ isFuture }) => isFuture).length,
      letters: await tx<StoredLetter[]>`
        select partition, message_offset as offset, reason, message_key as key, message_value as value from dead_letter
        where topic = ${topic} order by partition, message_offset`,
      environments,
    };
  });
}

async function readEnvironment(
  tx: Sql,
  environment: Environment,
  isWanted: (atom: StoredAtom) => boolean,
): Promise<EnvironmentSnapshot> {
  const { id } = environment;
  const head = await readHead(tx, id);
  const universe = await readUniverse(tx, id);
  const atoms = await readAtoms(tx, id);
  const wanted = [universe, ...atoms].filter((atom) => atom !== undefined).filter((atom) => atom.state === 'ready');
  const read = wanted.filter((atom) => atom.id === UNIVERSE_ATOM_ID || isWanted(atom));
  const rows = await tx<{ id: number; identifier: string; traits: string; isLive: boolean }[]>`
    select id, coalesce(long_identifier, identifier) as identifier, traits::text as traits, deleted_revision is null as "isLive"
    from identity where environment_id = ${id} order by id`;
  const quarantined = await tx<{ identifier: string }[]>`
    select shown_identifier as identifier from quarantined_identity where environment_id = ${id}`;
  const [log] = await tx<{ missing: number }[]>`
    select coalesce(max(revision) - min(revision) + 1 - count(*), 0)::int as missing from atom_log where environment_id = ${id}`;
  return {
    environment,
    revision: head?.revision ?? 0,
    rows: rows
      .filter(({ isLive }) => isLive)
      .map((row) => ({ id: row.id, identifier: row.identifier, traits: splitTraits(row.traits) })),
    tombstones: rows.filter(({ isLive }) => !isLive).map((row) => row.id),
    quarantined: quarantined.map(({ identifier }) => identifier).sort(),
    atoms,
    bitmaps: await readBitmaps(tx, id, read),
    missingRevisions: log?.missing ?? 0,
  };
}

async function readBitmaps(
  tx: Sql,
  environmentId: number,
  atoms: readonly StoredAtom[],
): Promise<Map<number, Set<number>>> {
  const bitmaps = new Map(atoms.map(({ id }) => [id, new Set<number>()]));
  for await (const chunks of readChunks(tx, environmentId, [...bitmaps.keys()]))
    for (const chunk of chunks) {
      const bitmap = bitmaps.get(chunk.atomId);
      for (const ordinal of OrdinalSet.fromChunks([chunk])) bitmap?.add(ordinal);
    }
  const bases = new Map(atoms.map(({ id, baseRevision }) => [id, baseRevision]));
  const lowest = Math.min(...bases.values());
  for (const { revision, payload } of await readLog(tx, environmentId, lowest, Number.MAX_SAFE_INTEGER, 1_000_000)) {
    for (const [atomId, { set, cleared }] of decodeFlips(payload).atoms) {
      if (revision <= (bases.get(atomId) ?? Infinity)) continue;
      const bitmap = bitmaps.get(atomId);
      for (const ordinal of set) bitmap?.add(ordinal);
      for (const ordinal of cleared) bitmap?.delete(ordinal);
    }
  }
  return bitmaps;
}
