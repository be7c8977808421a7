import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SEMANTICS_VERSION } from '../../src/core/atoms.js';
import type { Database } from '../../src/storage/database.js';
import { startEmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.js';
import { type Environment, findEnvironment } from '../../src/storage/environments.js';
import { migrate } from '../../src/storage/migrate.js';
import { connectTo, onCopyOf } from './databases.js';
import { buildAtoms, createWorld, loadIdentities, type People, writeSegments } from './load.js';
import { BENCH_SEGMENTS } from './segments.js';

/** A loaded database on an embedded server of our own, kept between runs. */
export interface World {
  readonly url: string;
  readonly database: Database;
  readonly environment: Environment;
  readonly identities: number;
  readonly people: People;
  /** So small that it only shows that a scenario runs: then each asks a little of everything. */
  readonly isSmoke: boolean;
  /** Runs `work` on a copy of the database, which is thrown away: what it changes is not there for the next. */
  onCopy(work: (copy: Database) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

export const FOLDER = '.rollcall-bench';
export const ENVIRONMENT = 'bench';
const SOURCES = [
  'bench/world/load.ts',
  'bench/world/ordinals.ts',
  'src/cli/demo/population.ts',
  'src/core/bitmap.ts',
  'src/storage/chunks.ts',
];
const MARK = 'loaded';
const SMOKE_BELOW = 100_000;
const COPY = 'bench_copy';

/** Opens the database of an earlier run, or loads it: seeded, so that every run asks the same. */
export async function openWorld(people: People, isFresh: boolean, say: (line: string) => void): Promise<World> {
  const folder = join(FOLDER, nameOf(people));
  const loaded = isFresh ? [] : await readMarks(folder);
  const [ofIdentities, ofAtoms] = await fingerprints(people);
  if (loaded[0] !== ofIdentities) await rm(folder, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  const server = await startEmbeddedPostgres({ dataDirectory: folder, log: () => undefined });
  const database = connectTo(server.url);
  const close = async (): Promise<void> => {
    await database.close(1_000);
    await server.stop();
  };
  try {
    await migrate(database);
    if (loaded[0] !== ofIdentities) await load(database, people, say);
    const environment = await expectEnvironment(database);
    if (loaded[0] !== ofIdentities || loaded[1] !== ofAtoms) {
      await writeSegments(database, environment);
      await buildAtoms(database, environment, say);
      await database.sql.unsafe('vacuum (analyze)');
      await database.sql.unsafe('checkpoint');
      await writeFile(join(folder, MARK), `${ofIdentities} ${ofAtoms}`);
    }
    return {
      url: server.url,
      database,
      environment,
      identities: people.count,
      people,
      isSmoke: people.count < SMOKE_BELOW,
      onCopy: (work) => onCopyOf(server.url, COPY, work),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The name of a world's folder, and of its figures. */
export function nameOf({ count, distribution }: People): string {
  return distribution === 'dense' ? String(count) : `${count}-${distribution}`;
}

async function load(database: Database, people: People, say: (line: string) => void): Promise<void> {
  say(`loading ${people.count.toLocaleString('en')} identities; later runs reuse them`);
  const environment = await createWorld(database, ENVIRONMENT);
  await loadIdentities(database, environment, people, say);
}

async function expectEnvironment(database: Database): Promise<Environment> {
  const environment = await findEnvironment(database.sql, ENVIRONMENT);
  if (environment === undefined) throw new Error('the database is not one of the benchmark');
  return environment;
}

async function readMarks(folder: string): Promise<string[]> {
  return (await readFile(join(folder, MARK), 'utf8').catch(() => '')).split(' ');
}

/** Whatever decides what the identities and what the bitmaps in the database are: other values make them again. */
async function fingerprints(people: People): Promise<[string, string]> {
  const [load, ordinals, population, ...bitmaps] = await Promise.all(SOURCES.map((path) => readFile(path, 'utf8')));
  return [hash([people, load, ordinals, population]), hash([SEMANTICS_VERSION, BENCH_SEGMENTS, bitmaps])];
}

function hash(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
