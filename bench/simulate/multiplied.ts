import { CHUNK_SIZE } from '../../src/core/bitmap.js';
import type { Figure } from '../report/figures.js';
import { formatCount } from '../report/format-value.js';
import type { ChunkSample } from './sample-chunks.js';
import type { LogSample } from './simulate-log.js';

const SCENARIO = 'simulate: 100 atoms, multiplied';
const GIB = 2 ** 30;
const DAY_CHANGES = 3_000 * 86_400;
/** Bytes of the log that one fold takes: the service's default. */
const FOLD_BYTES = 16 * 2 ** 20;

/** What 100 atoms of so many identities need: the samples of a chunk times the chunks, and of a log row times the rows of a day. */
export function multiplied(samples: readonly ChunkSample[], identities: number, log: LogSample): Figure[] {
  const chunks = Math.ceil(identities / CHUNK_SIZE);
  const sum = (of: (sample: ChunkSample) => number): number =>
    samples.reduce((total, sample) => total + sample.atoms * sample.rows * chunks * of(sample), 0);
  const rows = sum(() => 1);
  const touched = foldedShare(FOLD_BYTES / log.bytesPerFlip, rows);
  const figure = (what: string, value: number, unit: string): Figure => ({
    scenario: SCENARIO,
    what: `${formatCount(identities)}: ${what}`,
    value,
    unit,
  });
  return [
    figure('chunk rows', rows, 'rows'),
    figure('chunk table on disk', sum(({ diskBytes }) => diskBytes) / GIB, 'GiB'),
    figure('chunk cache that holds every atom', sum(({ bytes }) => bytes) / GIB, 'GiB'),
    figure('writing every chunk, one connection', sum(({ writeMs }) => writeMs) / 1000, 's'),
    figure('loading every chunk, one connection', sum(({ loadMs }) => loadMs) / 1000, 's'),
    figure('share of the chunk rows that one fold of 16 MiB of log rewrites', touched * 100, '%'),
    figure('written by that fold', (touched * sum(({ diskBytes }) => diskBytes)) / GIB, 'GiB'),
    figure(
      'seconds of that fold, loading and writing, one connection',
      (touched * sum(({ loadMs, writeMs }) => loadMs + writeMs)) / 1000,
      's',
    ),
    figure(
      'log rows of a day of 3,000 changes/s, if none were folded',
      (DAY_CHANGES * log.diskBytesPerChange) / GIB,
      'GiB',
    ),
  ];
}

/** The share of `chunks` that uniformly drawn flips touch at least once. */
function foldedShare(flips: number, chunks: number): number {
  return 1 - Math.exp(-flips / chunks);
}
