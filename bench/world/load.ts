import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { UNIVERSE_ATOM_ID } from '../../src/core/flips.js';
import { formatTrait, joinTraits } from '../../src/core/trait-text.js';
import { population } from '../../src/cli/demo/population.js';
import { buildAtom } from '../../src/indexing/build.js';
import { createEnvironment, dropAtoms, rebuildAtom } from '../../src/indexing/catalog-writer.js';
import { createSegment } from '../../src/indexing/segment-writer.js';
import { readAtoms } from '../../src/storage/atoms.js';
import type { Database } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import { type Distribution, lastOrdinal, ordinalAt } from './ordinals.js';
import { BENCH_SEGMENTS, SCORE, SCORES } from './segments.js';

const SEED = 20_261;
const ROWS_PER_WRITE = 1_000;
const PROJECT = 'bench';

/** How atoms are built here: as the service does by default. */
export const BUILD = {
  owner: 'bench',
  leaseMs: 3_600_000,
  rangeChunks: 4,
  replayMaxBytes: 16 * 1024 * 1024,
  signal: new AbortController().signal,
};

/** How many identities, and where their ordinals lie. */
export interface People {
  readonly count: number;
  readonly distribution: Distribution;
}

/** The environment, empty. */
export async function createWorld(database: Database, key: string): Promise<Environment> {
  return createEnvironment(
    database,
    {
      key,
      name: key,
      project: PROJECT,
      organisation: PROJECT,
      ordinalMode: 'allotted',
      identityKeyMode: 'composite',
    },
    'bench',
  );
}

/** Fills the environment past the applier, which would take many minutes: rows by `copy`, indexes afterwards. */
export async function loadIdentities(
  database: Database,
  environment: Environment,
  people: People,
  say: (line: string) => void,
): Promise<void> {
  const { sql } = database;
  const indexes = await sql<{ name: string; definition: string }[]>`
    select indexname as name, indexdef as definition from pg_indexes where tablename = 'identity' and indexname <> 'identity_pkey'`;
  for (const { name } of indexes) await sql.unsafe(`drop index ${name}`);
  await copyIdentities(database, environment, people, say);
  for (const { definition } of indexes) await sql.unsafe(definition);
  await sql`update environment_head set next_ordinal = ${lastOrdinal(people) + 1} where environment_id = ${environment.id}`;
  await sql.unsafe('vacuum (analyze, freeze) identity');
}

async function copyIdentities(
  database: Database,
  environment: Environment,
  people: People,
  say: (line: string) => void,
): Promise<void> {
  const stream = await database.sql`copy identity (environment_id, id, identifier, traits) from stdin`.writable();
  let lines = '';
  let position = 0;
  for (const { identifier, traits } of population(SEED, people.count)) {
    position++;
    const texts = new Map(Object.entries(traits).map(([key, value]) => [key, formatTrait(value)]));
    texts.set(SCORE, String(scoreOf(position)));
    lines += `${environment.id}\t${ordinalAt(people, position)}\t${identifier}\t${joinTraits(texts)}\n`;
    if (position % ROWS_PER_WRITE !== 0) continue;
    if (!stream.write(lines)) await once(stream, 'drain');
    lines = '';
    if (position % 500_000 === 0) say(`  ${position.toLocaleString('en')} identities`);
  }
  stream.end(lines);
  await finished(stream);
}

/** Spread over the identities without a pattern that chunks or pages would show. */
function scoreOf(position: number): number {
  return Math.floor(((Math.imul(position, 0x9e3779b1) >>> 0) / 2 ** 32) * SCORES);
}

/** Writes the segments, in the place of those that are there. */
export async function writeSegments(database: Database, environment: Environment): Promise<void> {
  await database.sql`delete from segment_version where project = ${PROJECT}`;
  await database.sql`delete from segment where project = ${PROJECT}`;
  await dropAtoms(database, environment, await readAtoms(database.sql, environment.id));
  for (const { key, definition } of BENCH_SEGMENTS)
    await createSegment(database, { project: PROJECT, key, name: key, description: '', definition }, 'bench');
}

/** Builds the universe and every atom, again where they are built already. */
export async function buildAtoms(
  database: Database,
  environment: Environment,
  say: (line: string) => void,
): Promise<void> {
  const ids = [UNIVERSE_ATOM_ID, ...(await readAtoms(database.sql, environment.id)).map(({ id }) => id)];
  say(`building ${ids.length} atoms`);
  for (const id of ids) {
    await rebuildAtom(database, environment, id);
    await buildAtom(database, environment, id, BUILD);
  }
}
