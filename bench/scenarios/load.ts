import { strictEqual } from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ColumnType, FileFormat } from '../../src/gen/rollcall/v1/index_service_pb.js';
import type { Database } from '../../src/storage/database.js';
import { migrate } from '../../src/storage/migrate.js';
import { forgetPeak, type Usage, usageOf } from '../measure/resources.js';
import { sendFile } from '../measure/send-file.js';
import { withServer } from '../measure/server-process.js';
import { median, timed } from '../measure/statistics.js';
import type { Figure } from '../report/figures.js';
import { onDatabase } from '../world/databases.js';
import { createWorld } from '../world/load.js';
import { countPeople, type PeopleFiles, writePeople } from '../world/people-files.js';
import { ENVIRONMENT, type World } from '../world/world.js';

const MOST_ROWS = 1_000_000;
const SMOKE_ROWS = 5_000;
const MOST_ROUNDS = 3;
/** The smaller file, by which memory shows that it does not grow. */
const SHARE_OF_SMALL = 1 / 4;
const DATABASE = 'bench_load';
const GOAL = 0.6;
/** Of the memory, as a multiple of that of the smaller file. */
const GOAL_MEMORY = 1.25;
const PLAN = 'pro';

type Format = 'csv' | 'ndjson';

/** One load: how long, and what the server used for it. */
interface Loaded {
  readonly ms: number;
  readonly usage: Usage | undefined;
}

/**
 * IndexService.Load of a file of identities with ten traits each into a new environment, against `copy` of the same rows into a plain table with the same indexes, in turn.
 */
export async function loadScenario(world: World, rounds: number): Promise<Figure[]> {
  const rows = world.isSmoke ? SMOKE_ROWS : Math.min(world.identities, MOST_ROWS);
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-bench-'));
  try {
    const few = Math.floor(rows * SHARE_OF_SMALL);
    const small = await loadInto(world.url, await writePeople(folder, few), 'ndjson', few);
    const files = await writePeople(folder, rows);
    const loaded: Record<Format, Loaded[]> = { csv: [], ndjson: [] };
    const copied: number[] = [];
    for (let round = 0; round < Math.min(rounds, MOST_ROUNDS); round++) {
      loaded.ndjson.push(await loadInto(world.url, files, 'ndjson', rows));
      copied.push(await copyInto(world.url, files, rows));
      loaded.csv.push(await loadInto(world.url, files, 'csv', rows));
    }
    return figuresOf(rows, { few, small, loaded, copied });
  } finally {
    await rm(folder, { recursive: true });
  }
}

function figuresOf(
  rows: number,
  measured: {
    readonly few: number;
    readonly small: Loaded;
    readonly loaded: Record<Format, readonly Loaded[]>;
    readonly copied: readonly number[];
  },
): Figure[] {
  const { few, small, loaded, copied } = measured;
  const figure = (what: string, count: number, times: readonly number[]): Figure => ({
    scenario: 'load',
    what,
    value: (count / median(times)) * 1_000,
    unit: 'rows/s',
  });
  const load = (what: string, count: number, loads: readonly Loaded[]): Figure => ({
    ...figure(
      what,
      count,
      loads.map(({ ms }) => ms),
    ),
    ...(loads.at(-1)?.usage ?? {}),
  });
  const ndjson = load('Load of NDJSON', rows, loaded.ndjson);
  const csv = load('Load of CSV', rows, loaded.csv);
  const copy = figure('copy into a plain table with the same indexes', rows, copied);
  const ratio = ndjson.value / copy.value;
  return [
    ndjson,
    csv,
    load('Load of NDJSON, a quarter of the rows', few, [small]),
    copy,
    { scenario: 'load', what: 'NDJSON / copy', value: ratio, unit: '', goal: `≥ ${GOAL}`, isReached: ratio >= GOAL },
    { scenario: 'load', what: 'CSV / copy', value: csv.value / copy.value, unit: '' },
    ...memoryFigure(small, loaded.ndjson.at(-1)),
  ];
}

/** Whether memory is flat in the rows. */
function memoryFigure({ usage: few }: Loaded, all: Loaded | undefined): Figure[] {
  if (few === undefined || all?.usage === undefined) return [];
  const value = all.usage.peakBytes / few.peakBytes;
  const what = 'server peak memory, all rows / a quarter';
  return [{ scenario: 'load', what, value, unit: '', goal: `≤ ${GOAL_MEMORY}`, isReached: value <= GOAL_MEMORY }];
}

async function loadInto(url: string, files: PeopleFiles, format: Format, rows: number): Promise<Loaded> {
  return onDatabase(url, DATABASE, async (database, ownUrl) => {
    await migrate(database);
    await createWorld(database, ENVIRONMENT);
    return withServer(ownUrl, async (address, pid) => {
      const before = await usageOf(pid);
      await forgetPeak(pid);
      const ms = await timed(async () => {
        const { identitiesRead } = await sendFile(address, files[format], startOf(format));
        strictEqual(Number(identitiesRead), rows, 'every row was read');
      });
      const after = await usageOf(pid);
      await checkRows(database, 'identity', rows);
      if (before === undefined || after === undefined) return { ms, usage: undefined };
      return { ms, usage: { cpuSeconds: after.cpuSeconds - before.cpuSeconds, peakBytes: after.peakBytes } };
    });
  });
}

function startOf(format: Format) {
  const { INT, FLOAT, BOOL } = ColumnType;
  return format === 'ndjson'
    ? { environment: ENVIRONMENT, format: FileFormat.NDJSON }
    : {
        environment: ENVIRONMENT,
        format: FileFormat.CSV,
        columnTypes: { age: INT, spend: FLOAT, sessions: INT, beta: BOOL },
      };
}

async function copyInto(url: string, { copy }: PeopleFiles, rows: number): Promise<number> {
  return onDatabase(url, DATABASE, async (database) => {
    await migrate(database);
    await database.sql.unsafe('create table plain (like identity including all)');
    const ms = await timed(async () => {
      const stream = await database.sql`copy plain (environment_id, id, identifier, traits) from stdin`.writable();
      await pipeline(createReadStream(copy, { highWaterMark: 256 * 1024 }), stream);
    });
    await checkRows(database, 'plain', rows);
    return ms;
  });
}

async function checkRows(database: Database, table: string, rows: number): Promise<void> {
  const found = await database.sql.unsafe<{ count: number; pro: number }[]>(
    `select count(*)::int as count, count(*) filter (where traits->>'plan' = '${PLAN}')::int as pro from ${table}`,
  );
  strictEqual(found[0]?.count, rows, 'every row is there');
  strictEqual(found[0].pro, countPeople(rows, 'plan', PLAN), 'with its traits');
}
