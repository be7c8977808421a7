import { strictEqual } from 'node:assert/strict';
import { isChunkIntact, OrdinalSet } from '../../src/core/bitmap.js';
import { readSomeChunks } from '../../src/storage/chunks.js';
import type { Database } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import { timed } from '../measure/statistics.js';
import { writeAtomChunks } from '../world/ready-atoms.js';
import { ATOM_MIX, type AtomsAlike } from './atom-mix.js';
import { chunksOf, drawPatterns } from './chunk-patterns.js';

/** What one chunk of atoms that lie alike was measured to need, on average; `rows` is how many of the chunks hold any identity. */
export interface ChunkSample extends AtomsAlike {
  readonly rows: number;
  /** Serialised, as the cache counts it. */
  readonly bytes: number;
  /** In the table with its index and what the row takes elsewhere. */
  readonly diskBytes: number;
  readonly writeMs: number;
  readonly loadMs: number;
}

/** An id that no atom has: only the tables are looked at. */
const SAMPLE_ATOM = 1_000_000;

/** Writes a sample of each part of the mix through the service's own writer, and loads it as the service does, checks included. */
export async function sampleChunks(
  database: Database,
  environment: Environment,
  chunks: number,
): Promise<ChunkSample[]> {
  const samples: ChunkSample[] = [];
  for (const [index, alike] of ATOM_MIX.entries())
    samples.push(await sampleOne(database, environment, SAMPLE_ATOM + index, alike, chunks));
  return samples;
}

async function sampleOne(
  database: Database,
  environment: Environment,
  atomId: number,
  alike: AtomsAlike,
  chunks: number,
): Promise<ChunkSample> {
  const generated = [...chunksOf(drawPatterns(alike, atomId), 0, chunks)];
  const before = await diskBytes(database);
  let written = { count: 0, bytes: 0 };
  const writeMs = await timed(async () => {
    written = await writeAtomChunks(database, environment, atomId, generated);
  });
  const onDisk = (await diskBytes(database)) - before;
  let members = 0;
  const loadMs = await timed(async () => {
    const stored = await readSomeChunks(
      database.sql,
      environment.id,
      atomId,
      generated.map(({ chunk }) => chunk),
    );
    strictEqual(stored.every(isChunkIntact), true);
    members = OrdinalSet.fromChunks(stored).size;
  });
  strictEqual(
    members,
    generated.reduce((sum, { cardinality }) => sum + cardinality, 0),
    'what was loaded is what was written',
  );
  const { count, bytes } = written;
  return {
    ...alike,
    rows: count / chunks,
    bytes: bytes / count,
    diskBytes: onDisk / count,
    writeMs: writeMs / count,
    loadMs: loadMs / count,
  };
}

async function diskBytes({ sql }: Database): Promise<number> {
  const [row] = await sql<{ bytes: number }[]>`select pg_total_relation_size('atom_chunk')::float8 as bytes`;
  return row?.bytes ?? NaN;
}
