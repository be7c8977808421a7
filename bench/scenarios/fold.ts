import { strictEqual } from 'node:assert/strict';
import { isChunkIntact, OrdinalSet } from '../../src/core/bitmap.js';
import { readChunks, type StoredChunk } from '../../src/storage/chunks.js';
import { inTransaction } from '../../src/storage/database.js';
import { inOwnProcess, type Work } from '../measure/own-process.js';
import { median } from '../measure/statistics.js';
import type { Figure } from '../report/figures.js';
import { type BitmapWorld, withBitmaps } from '../world/bitmaps.js';
import { writeLog, type WrittenLog } from '../world/bitmap-log.js';
import type { World } from '../world/world.js';

/** Revisions of a round: fewer in a small world, so that they do not flip everything in it. */
const MOST_REVISIONS = 1_000;
const IDENTITIES_PER_REVISION = 1_000;
const MOST_ROUNDS = 3;

/** Folding a log of many revisions into the chunks of 100 atoms. */
export async function foldScenario(world: World, rounds: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  await withBitmaps(world.url, world.people, async (bitmaps) => {
    const revisions = Math.min(MOST_REVISIONS, Math.ceil(world.identities / IDENTITIES_PER_REVISION));
    const works: Work[] = [];
    let log: WrittenLog | undefined;
    for (let round = 0; round < Math.min(rounds, MOST_ROUNDS); round++) {
      const before = await readAtom(bitmaps);
      log = await writeLog(bitmaps, revisions);
      works.push(await inOwnProcess(new URL('./fold-work.js', import.meta.url), argumentOf(bitmaps)));
      await checkFolded(bitmaps, before, log);
    }
    if (log !== undefined) figures.push(...figuresOf(works, log));
  });
  return figures;
}

function figuresOf(works: readonly Work[], { flips, bytes, revisions }: WrittenLog): Figure[] {
  const seconds = median(works.map(({ ms }) => ms)) / 1_000;
  const ofLast = {
    cpuSeconds: median(works.map(({ cpuSeconds }) => cpuSeconds)),
    peakBytes: Math.max(...works.map(({ peakBytes }) => peakBytes)),
  };
  return [
    { scenario: 'fold', what: 'flips folded', value: flips / seconds, unit: 'flips/s', bytes, ...ofLast },
    { scenario: 'fold', what: 'revisions of 500 changes', value: revisions / seconds, unit: 'revisions/s' },
    { scenario: 'fold', what: 'bytes of the log', value: bytes / seconds, unit: 'bytes/s' },
  ];
}

function argumentOf({ url, environment }: BitmapWorld): { url: string; environmentId: number } {
  return { url, environmentId: environment.id };
}

/** The first atom of the first segment, as its chunks hold it. */
async function readAtom({ database, environment, segments }: BitmapWorld): Promise<OrdinalSet> {
  const chunks: StoredChunk[] = [];
  await inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    for await (const read of readChunks(tx, environment.id, [segments[0]?.atomIds[0] ?? 0])) chunks.push(...read);
  });
  strictEqual(chunks.every(isChunkIntact), true, 'the chunks are intact');
  return OrdinalSet.fromChunks(chunks);
}

async function checkFolded(bitmaps: BitmapWorld, before: OrdinalSet, { last }: WrittenLog): Promise<void> {
  for (const [ordinal, isSet] of last.get(bitmaps.segments[0]?.atomIds[0] ?? 0) ?? []) {
    if (isSet) before.add(ordinal);
    else before.delete(ordinal);
  }
  strictEqual((await readAtom(bitmaps)).equals(before), true, 'the chunks have what was logged');
}
