import { strictEqual } from 'node:assert/strict';
import { OrdinalSet } from '../../src/core/bitmap.js';
import { fold } from '../../src/indexing/fold.js';
import { withCounts } from '../measure/counting-client.js';
import { forgetPeak, type Usage, usageOf } from '../measure/resources.js';
import { withServer } from '../measure/server-process.js';
import { median } from '../measure/statistics.js';
import type { Figure } from '../report/figures.js';
import { CHANGES_PER_REVISION, writeLog } from '../world/bitmap-log.js';
import { type BitmapWorld, FOLD_MAX_BYTES, withBitmaps } from '../world/bitmaps.js';
import type { World } from '../world/world.js';

/** Revisions that a replica misses: fewer in a small world, so that they do not flip everything in it. */
const MOST_REVISIONS = 1_000;
const IDENTITIES_PER_REVISION = 1_000;
const MOST_ROUNDS = 3;

/** What one replica took. */
interface Round {
  readonly ms: number;
  readonly usage: Usage | undefined;
}

/**
 * A second replica with 100 atoms in memory stands still while 1,000 revisions of 500 changes are committed and folded: until it answers a Count as of the
 * newest revision, against a replica that loads the 100 atoms.
 */
export async function catchUpScenario(world: World, rounds: number): Promise<Figure[]> {
  const followed: Round[] = [];
  const loaded: Round[] = [];
  const revisions = Math.min(MOST_REVISIONS, Math.ceil(world.identities / IDENTITIES_PER_REVISION));
  await withBitmaps(world.url, world.people, async (bitmaps) => {
    for (let round = 0; round < Math.min(rounds, MOST_ROUNDS); round++) {
      followed.push(await catchUp(bitmaps, revisions));
      loaded.push(await loadAnew(bitmaps));
    }
  });
  const ms = median(followed.map((round) => round.ms));
  const anewMs = median(loaded.map((round) => round.ms));
  const figure = { scenario: 'catch-up', unit: 'ms' };
  return [
    { ...figure, what: 'a replica that was away', value: ms, ...usageOfLast(followed) },
    { ...figure, what: 'loading anew', value: anewMs, ...usageOfLast(loaded) },
    { ...figure, what: 'changes caught up', value: (revisions * CHANGES_PER_REVISION * 1_000) / ms, unit: 'changes/s' },
  ];
}

function usageOfLast(rounds: readonly Round[]): Partial<Usage> {
  return rounds.at(-1)?.usage ?? {};
}

async function catchUp(bitmaps: BitmapWorld, revisions: number): Promise<Round> {
  return withServer(bitmaps.url, (address, pid) =>
    withCounts(address, bitmaps.environment.key, async (count) => {
      await countAll(bitmaps, count);
      const before = await usageOf(pid);
      await forgetPeak(pid);
      process.kill(pid, 'SIGSTOP');
      await writeLog(bitmaps, revisions);
      while (!(await fold(bitmaps.database, bitmaps.environment.id, FOLD_MAX_BYTES)));
      process.kill(pid, 'SIGCONT');
      const startedAt = performance.now();
      const counted = await count(bitmaps.segments[0]?.key ?? '', true);
      const ms = performance.now() - startedAt;
      const usage = sinceThen(before, await usageOf(pid));
      strictEqual(counted, await expectedCount(bitmaps), 'the replica counts whom the chunks have');
      return { ms, usage };
    }),
  );
}

async function loadAnew(bitmaps: BitmapWorld): Promise<Round> {
  return withServer(bitmaps.url, (address, pid) =>
    withCounts(address, bitmaps.environment.key, async (count) => {
      const before = await usageOf(pid);
      const startedAt = performance.now();
      const counts = await countAll(bitmaps, count);
      const ms = performance.now() - startedAt;
      strictEqual(counts[0], await expectedCount(bitmaps), 'the new replica counts whom the chunks have');
      return { ms, usage: sinceThen(before, await usageOf(pid)) };
    }),
  );
}

async function countAll(
  { segments }: BitmapWorld,
  count: (segment: string, isLatest?: boolean) => Promise<number>,
): Promise<number[]> {
  return Promise.all(segments.map(({ key }) => count(key, true)));
}

function sinceThen(before: Usage | undefined, after: Usage | undefined): Usage | undefined {
  if (before === undefined || after === undefined) return undefined;
  return { cpuSeconds: after.cpuSeconds - before.cpuSeconds, peakBytes: after.peakBytes };
}

/** By the bitmaps that are stored, which are folded. */
async function expectedCount({ database, environment, segments }: BitmapWorld): Promise<number> {
  const sets: OrdinalSet[] = [];
  for (const atomId of segments[0]?.atomIds ?? []) {
    const chunks = await database.sql<{ chunk: number; cardinality: number; crc32c: number; bitmap: Buffer }[]>`
      select chunk, cardinality, crc32c, bitmap from atom_chunk where environment_id = ${environment.id} and atom_id = ${atomId}`;
    sets.push(OrdinalSet.fromChunks(chunks));
  }
  return sets.reduce((common, set) => common.and(set)).size;
}
