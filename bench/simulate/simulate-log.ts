import { deepStrictEqual } from 'node:assert/strict';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { decodeFlips, encodeFlips, FlipCollector, type RevisionFlips } from '../../src/core/flips.js';
import { type Database, inTransaction } from '../../src/storage/database.js';
import { type Environment, takeRevision } from '../../src/storage/environments.js';
import { median, timed } from '../measure/statistics.js';
import type { Figure } from '../report/figures.js';
import { formatCount, formatValue } from '../report/format-value.js';
import { ATOMS } from './atom-mix.js';

const SCENARIO = 'simulate: log, measured';
const CHANGES = [500, 5_000];
const FLIPS = [1, 3];
const REVISIONS = 20;

/** What the log was measured to need, in the largest batches of the most flips. */
export interface LogSample {
  readonly figures: readonly Figure[];
  /** Of a revision's bytes. */
  readonly bytesPerFlip: number;
  /** Of the table. */
  readonly diskBytesPerChange: number;
}

/** Log rows of batches of uniformly drawn identities, through the service's own writer. */
export async function simulateLog(
  database: Database,
  environment: Environment,
  identities: number,
): Promise<LogSample> {
  const figures: Figure[] = [];
  const sample = { bytesPerFlip: NaN, diskBytesPerChange: NaN };
  for (const changes of CHANGES) {
    for (const flips of FLIPS) {
      const measured = await measureRevisions(database, environment, identities, changes, flips);
      sample.bytesPerFlip = measured.payload / (changes * flips);
      sample.diskBytesPerChange = measured.disk / changes;
      const what = `${formatCount(identities)}: ${formatValue(changes)} changes of ${flips} flip${flips > 1 ? 's' : ''}`;
      figures.push(
        { scenario: SCENARIO, what: `${what}, a revision`, value: measured.payload, unit: 'B' },
        { scenario: SCENARIO, what: `${what}, its row in the table`, value: measured.disk, unit: 'B' },
        { scenario: SCENARIO, what: `${what}, its WAL`, value: measured.wal, unit: 'B' },
        { scenario: SCENARIO, what: `${what}, encoding and decoding`, value: measured.codecMs, unit: 'ms' },
      );
    }
  }
  return { figures, ...sample };
}

async function measureRevisions(
  database: Database,
  environment: Environment,
  identities: number,
  changes: number,
  flips: number,
): Promise<{ payload: number; disk: number; wal: number; codecMs: number }> {
  const drawn = Array.from({ length: REVISIONS }, (_, seed) => drawFlips(identities, changes, flips, seed));
  const codecMs = await timed(async () => Promise.resolve(drawn.map((one) => decodeFlips(encodeFlips(one)))));
  const payloads = drawn.map(encodeFlips);
  deepStrictEqual(decodeFlips(payloads[0] ?? Buffer.alloc(0)), drawn[0], 'what is read is what was written');
  await database.sql.unsafe('checkpoint');
  const before = await sizes(database);
  for (const payload of payloads)
    await inTransaction(database, { isolation: 'read committed' }, (tx) =>
      takeRevision(tx, environment.id, payload, false),
    );
  const after = await sizes(database);
  return {
    payload: median(payloads.map(({ length }) => length)),
    disk: (after.disk - before.disk) / REVISIONS,
    wal: (after.wal - before.wal) / REVISIONS,
    codecMs: codecMs / REVISIONS,
  };
}

function drawFlips(identities: number, changes: number, flips: number, seed: number): RevisionFlips {
  const random = xoroshiro128plus(seed + 1);
  const collector = new FlipCollector();
  const changed = new Set<number>();
  while (changed.size < changes) changed.add(uniformInt(random, 1, identities));
  for (const ordinal of changed) {
    const first = uniformInt(random, 1, ATOMS);
    for (let flip = 0; flip < flips; flip++)
      collector.add(1 + ((first + flip * 37) % ATOMS), ordinal, uniformInt(random, 0, 1) === 1);
  }
  return collector.finish(false);
}

async function sizes({ sql }: Database): Promise<{ disk: number; wal: number }> {
  const [row] = await sql<{ disk: number; wal: number }[]>`
    select pg_total_relation_size('atom_log')::float8 as disk, (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 as wal`;
  return row ?? { disk: NaN, wal: NaN };
}
