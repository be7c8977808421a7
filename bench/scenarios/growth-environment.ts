import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { strictEqual } from 'node:assert/strict';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { type AtomDefinition, atomKey } from '../../src/core/atoms.js';
import { type Chunk, OrdinalSet } from '../../src/core/bitmap.js';
import { UNIVERSE_ATOM_ID } from '../../src/core/flips.js';
import type { Condition, SegmentDefinition } from '../../src/core/segments.js';
import type { EnvironmentChange } from '../../src/indexing/applier.js';
import { createEnvironment, registerAtoms, takeCatalogRevision } from '../../src/indexing/catalog-writer.js';
import { readAtoms } from '../../src/storage/atoms.js';
import { type Database, inTransaction } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import { cardinalities, writeChunks } from '../../src/storage/chunks.js';
import { writeSegment } from '../../src/storage/segments.js';
import { condition } from '../world/conditions.js';
import { all } from '../world/segments.js';
import { markAtomsReady } from '../world/ready-atoms.js';

/** Trait keys, over which the atoms are spread evenly. */
export const KEYS = 40;
export const PROJECT = 'growth';
const ROWS_PER_WRITE = 1_000;
/** A value that no atom names. */
const NONE = 'none';
const SEED = 4;

/** What an environment of the growth scenario has. */
export interface Size {
  readonly identities: number;
  /** A multiple of KEYS. */
  readonly atoms: number;
  readonly segments: number;
}

/**
 * An environment of a size: of each trait every other identity has a value that exactly one atom names, so that an event flips one atom for
 * each trait that it sets, however many there are. The bitmaps are generated, and counted against the identities.
 */
export async function createGrowthEnvironment(database: Database, size: Size): Promise<Environment> {
  const environment = await createEnvironment(
    database,
    {
      key: PROJECT,
      name: PROJECT,
      project: PROJECT,
      organisation: PROJECT,
      ordinalMode: 'allotted',
      identityKeyMode: 'composite',
    },
    'bench',
  );
  await copyIdentities(database, environment, size);
  await writeAtoms(database, environment, size);
  await writeSegments(database, environment, size);
  await checkAtoms(database, environment);
  return environment;
}

/** A segment of three of the atoms: others for each number, until all were taken. */
export function growthSegment(number: number, { atoms }: Size): SegmentDefinition {
  const conditions = [number * 3, number * 7 + 1, number * 11 + Math.floor(number / atoms) + 2].map((place) =>
    conditionOf(place % atoms),
  );
  return { ...all([]), rules: [{ type: 'ANY', conditions, rules: [] }] };
}

export function segmentKey(number: number): string {
  return `segment-${number}`;
}

/** Changes of distinct identities, each setting three traits: between the value of an atom and one of none. */
export function growthChanges(environment: Environment, size: Size, count: number, round: number): EnvironmentChange[] {
  const random = xoroshiro128plus(SEED + round);
  const step = Math.max(1, Math.floor(size.identities / count));
  const changes: EnvironmentChange[] = [];
  for (let index = 0; index < Math.min(count, size.identities); index++) {
    const id = 1 + index * step + uniformInt(random, 0, step - 1);
    const traits = new Map<string, string>();
    for (let key = index % KEYS, set = 0; set < 3; set++, key = (key + 13) % KEYS)
      traits.set(nameOf(key), JSON.stringify(valueOf(id + round, key, size)));
    changes.push({
      index,
      environmentKey: environment.key,
      change: { kind: 'set_traits', identifier: `id-${id}`, traits },
    });
  }
  return changes;
}

async function copyIdentities(database: Database, environment: Environment, size: Size): Promise<void> {
  const stream = await database.sql`copy identity (environment_id, id, identifier, traits) from stdin`.writable();
  let lines = '';
  for (let id = 1; id <= size.identities; id++) {
    const traits = Object.fromEntries(Array.from({ length: KEYS }, (_, key) => [nameOf(key), valueOf(id, key, size)]));
    lines += `${environment.id}\t${id}\tid-${id}\t${JSON.stringify(traits)}\n`;
    if (id % ROWS_PER_WRITE !== 0) continue;
    if (!stream.write(lines)) await once(stream, 'drain');
    lines = '';
  }
  stream.end(lines);
  await finished(stream);
  await database.sql`update environment_head set next_ordinal = ${size.identities + 1} where environment_id = ${environment.id}`;
  await database.sql.unsafe('vacuum (analyze) identity');
}

async function writeAtoms(database: Database, environment: Environment, size: Size): Promise<void> {
  const definitions = Array.from({ length: size.atoms }, (_, place) => definitionOf(conditionOf(place)));
  await registerAtoms(database, environment, new Map(definitions.map((atom) => [atomKey(atom), atom])));
  const ids = new Map((await readAtoms(database.sql, environment.id)).map(({ id, key }) => [key, id]));
  const members = new Map<number, OrdinalSet>(
    definitions.map((atom) => [ids.get(atomKey(atom)) ?? -1, new OrdinalSet()]),
  );
  const ofPlace = definitions.map((atom) => members.get(ids.get(atomKey(atom)) ?? -1));
  const universe = new OrdinalSet();
  for (let id = 1; id <= size.identities; id++) {
    universe.add(id);
    for (let key = 0; key < KEYS; key++) {
      const value = valueOf(id, key, size);
      if (value !== NONE) ofPlace[Number(value.slice(1)) * KEYS + key]?.add(id);
    }
  }
  members.set(UNIVERSE_ATOM_ID, universe);
  const chunks = [...members].map(([id, set]) => ({ id, own: [...chunksOf(set)] }));
  await inTransaction(database, { isolation: 'read committed' }, (tx) =>
    Promise.all(chunks.map(({ id, own }) => writeChunks(tx, environment.id, id, 0, own))),
  );
  await markAtomsReady(
    database,
    environment,
    chunks.map(({ id, own }) => ({ id, chunks: own.length })),
  );
}

/** Every bitmap has as many as the identities say. */
async function checkAtoms({ sql }: Database, environment: Environment): Promise<void> {
  const rows = await sql<{ key: string; value: string; count: number }[]>`
    select key, value, count(*)::int as count from identity, jsonb_each_text(traits)
    where environment_id = ${environment.id} and value <> ${NONE} group by key, value`;
  const expected = new Map(rows.map(({ key, value, count }) => [`${key} ${value}`, count]));
  const found = await cardinalities(sql, environment.id);
  for (const { id, definition } of await readAtoms(sql, environment.id))
    strictEqual(found.get(id) ?? 0, expected.get(`${definition.property} ${definition.operand}`) ?? 0);
}

function* chunksOf(set: OrdinalSet): Generator<Chunk> {
  for (const number of set.chunkNumbers()) {
    const chunk = set.chunk(number);
    if (chunk !== undefined) yield chunk;
  }
}

/** Past the service, which checks each against all others; their atoms are there already. */
async function writeSegments(database: Database, environment: Environment, size: Size): Promise<void> {
  await inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const all = Array.from({ length: size.segments }, (_, number) => number);
    for (let from = 0; from < size.segments; from += ROWS_PER_WRITE)
      await Promise.all(
        all.slice(from, from + ROWS_PER_WRITE).map((number) => {
          const key = segmentKey(number);
          const texts = { project: PROJECT, key, name: key, description: '', etag: key };
          return writeSegment(tx, { ...texts, version: 1, definition: growthSegment(number, size) });
        }),
      );
    await takeCatalogRevision(tx, environment);
  });
}

function conditionOf(place: number): Condition {
  return condition(nameOf(place % KEYS), 'EQUAL', `v${Math.floor(place / KEYS)}`);
}

function definitionOf({ property, value }: Condition): AtomDefinition {
  return { dialect: 'flagsmith', kind: 'trait', property, operator: 'EQUAL', operand: value, list: '', segmentKey: '' };
}

function nameOf(key: number): string {
  return `trait_${key}`;
}

/** Every other value is none of an atom's: which ones changes with each number added to the ordinal. */
function valueOf(ordinal: number, key: number, { atoms }: Size): string {
  if ((ordinal + key) % 2 === 0) return NONE;
  return `v${(Math.imul(ordinal * KEYS + key, 0x9e3779b1) >>> 8) % (atoms / KEYS)}`;
}
