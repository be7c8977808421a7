import { strictEqual } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { type Person, population } from '../../src/cli/demo/population.js';
import { formatTrait, joinTraits } from '../../src/core/trait-text.js';
import { buildAtom } from '../../src/indexing/build.js';
import { createSegment } from '../../src/indexing/segment-writer.js';
import { readAtoms } from '../../src/storage/atoms.js';
import type { Database } from '../../src/storage/database.js';
import { migrate } from '../../src/storage/migrate.js';
import { withCounts } from '../measure/counting-client.js';
import { forgetPeak, type Usage, usageOf } from '../measure/resources.js';
import { withServer } from '../measure/server-process.js';
import { median, timed } from '../measure/statistics.js';
import type { Figure } from '../report/figures.js';
import { onDatabase } from '../world/databases.js';
import { BUILD, createWorld } from '../world/load.js';
import { BENCH_SEGMENTS } from '../world/segments.js';
import { ENVIRONMENT, type World } from '../world/world.js';

const MOST_ROWS = 200_000;
const LEAST_ROWS = 5_000;
const SHARE_OF_WORLD = 1 / 10;
const MOST_ROUNDS = 3;
const SEED = 1_789;
const DATABASE = 'bench_import';
const PROGRAM = fileURLToPath(new URL('../measure/rollcall.js', import.meta.url));
/** Two folders above the program: where it reads its version. */
const PACKAGE = fileURLToPath(new URL('../../package.json', import.meta.url));
const CHECKED_SEGMENT = 'all-1';
const isChecked = ({ traits }: Person): boolean => traits['plan'] === 'pro';

/** One import: how long, and what the server used for it. */
interface Imported {
  readonly ms: number;
  readonly usage: Usage | undefined;
}

/**
 * `rollcall import` of a file of identities with about ten traits, into a new environment that has the world's segments, through a server; against `copy` of
 * the same rows into a table without any atom, with the same indexes.
 */
export async function importScenario(world: World, rounds: number): Promise<Figure[]> {
  const rows = Math.min(MOST_ROWS, Math.max(LEAST_ROWS, Math.floor(world.identities * SHARE_OF_WORLD)));
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-bench-'));
  await copyFile('package.json', PACKAGE);
  try {
    const files = await writeFiles(folder, rows);
    const csv: Imported[] = [];
    const ndjson: Imported[] = [];
    const copied: number[] = [];
    for (let round = 0; round < Math.min(rounds, MOST_ROUNDS); round++) {
      csv.push(await importInto(world.url, files.csv, rows));
      ndjson.push(await importInto(world.url, files.ndjson, rows));
      copied.push(await copyInto(world.url, rows));
    }
    return figuresOf(rows, { csv, ndjson, copied });
  } finally {
    await rm(folder, { recursive: true });
  }
}

function figuresOf(
  rows: number,
  { csv, ndjson, copied }: { csv: readonly Imported[]; ndjson: readonly Imported[]; copied: readonly number[] },
): Figure[] {
  const figure = (what: string, times: readonly number[]): Figure => ({
    scenario: 'import',
    what,
    value: (rows / median(times)) * 1_000,
    unit: 'rows/s',
  });
  const imported = (what: string, imports: readonly Imported[]): Figure => ({
    ...figure(
      what,
      imports.map(({ ms }) => ms),
    ),
    ...(imports.at(-1)?.usage ?? {}),
  });
  const ofCsv = imported('rollcall import of CSV', csv);
  const ofCopy = figure('copy into a table with the same indexes', copied);
  return [
    ofCsv,
    imported('rollcall import of NDJSON', ndjson),
    ofCopy,
    { scenario: 'import', what: 'CSV / copy', value: ofCsv.value / ofCopy.value, unit: '' },
  ];
}

async function writeFiles(folder: string, rows: number): Promise<{ csv: string; ndjson: string }> {
  const csv = join(folder, 'people.csv');
  const ndjson = join(folder, 'people.ndjson');
  await pipeline(Readable.from(csvLines(rows)), createWriteStream(csv));
  await pipeline(Readable.from(ndjsonLines(rows)), createWriteStream(ndjson));
  return { csv, ndjson };
}

const COLUMNS = ['plan', 'country', 'age', 'spend', 'sessions', 'app_version', 'device', 'email', 'signed_up', 'beta'];

function* csvLines(rows: number): Generator<string> {
  yield `identifier,${COLUMNS.join(',')}\n`;
  for (const { identifier, traits } of population(SEED, rows))
    yield `${identifier},${COLUMNS.map((name) => cellOf(traits[name])).join(',')}\n`;
}

function cellOf(value: Person['traits'][string] | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? `"${value.replaceAll('"', '""')}"` : formatTrait(value);
}

function* ndjsonLines(rows: number): Generator<string> {
  for (const { identifier, traits } of population(SEED, rows))
    yield `{"identifier":${JSON.stringify(identifier)},"traits":${traitsText(traits)}}\n`;
}

function traitsText(traits: Person['traits']): string {
  return joinTraits(new Map(Object.entries(traits).map(([key, value]) => [key, formatTrait(value)])));
}

async function importInto(url: string, file: string, rows: number): Promise<Imported> {
  return onDatabase(url, DATABASE, async (database, ownUrl) => {
    await prepare(database);
    return withServer(ownUrl, async (address, pid) => {
      const before = await usageOf(pid);
      await forgetPeak(pid);
      const ms = await timed(() => runImport(address, file));
      const after = await usageOf(pid);
      await checkImported(database, address, rows);
      if (before === undefined || after === undefined) return { ms, usage: undefined };
      return { ms, usage: { cpuSeconds: after.cpuSeconds - before.cpuSeconds, peakBytes: after.peakBytes } };
    });
  });
}

async function prepare(database: Database): Promise<void> {
  await migrate(database);
  const environment = await createWorld(database, ENVIRONMENT);
  const { project } = environment;
  for (const { key, definition } of BENCH_SEGMENTS)
    await createSegment(database, { project, key, name: key, description: '', definition }, 'bench');
  for (const { id } of await readAtoms(database.sql, environment.id)) await buildAtom(database, environment, id, BUILD);
}

async function runImport(address: string, file: string): Promise<void> {
  const args = [PROGRAM, 'import', file, '--server', address, '--environment', ENVIRONMENT, '--no-progress', '--json'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  await once(child, 'exit');
  strictEqual(child.exitCode, 0, 'the file was imported');
}

async function checkImported(database: Database, address: string, rows: number): Promise<void> {
  const [row] = await database.sql<{ count: number }[]>`select count(*)::int as count from identity`;
  strictEqual(row?.count, rows, 'every row is an identity');
  const checked = [...population(SEED, rows)].filter(isChecked).length;
  strictEqual(await withCounts(address, ENVIRONMENT, (count) => count(CHECKED_SEGMENT, true)), checked);
}

async function copyInto(url: string, rows: number): Promise<number> {
  return onDatabase(url, DATABASE, async (database) => {
    await migrate(database);
    await database.sql.unsafe('create table plain (like identity including all)');
    const lines = [...population(SEED, rows)].map(
      ({ identifier, traits }, index) =>
        `1\t${index + 1}\t${identifier}\t${traitsText(traits).replaceAll('\\', '\\\\')}\n`,
    );
    const ms = await timed(async () => {
      const stream = await database.sql`copy plain (environment_id, id, identifier, traits) from stdin`.writable();
      const ended = finished(stream);
      for (let from = 0; from < lines.length; from += 1_000)
        if (!stream.write(lines.slice(from, from + 1_000).join(''))) await once(stream, 'drain');
      stream.end();
      await ended;
    });
    const [row] = await database.sql<{ count: number }[]>`select count(*)::int as count from plain`;
    strictEqual(row?.count, rows, 'every row was copied');
    return ms;
  });
}
