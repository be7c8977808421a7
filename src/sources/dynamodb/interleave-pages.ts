import { setMaxListeners } from 'node:events';
import type { Progress, TableKey } from './cursors.js';

/** A page of a run: the key that the next one begins after; none where it is the last. */
export interface RunPage {
  readonly next: TableKey | undefined;
}

/** A page, and its run's place. */
type ArrivedPage<Page> = Page & { readonly segment: number };

/** Reads the page of a run after a key, or its first. */
type ReadRun<Page> = (segment: number, after: TableKey | undefined, signal: AbortSignal) => Promise<Page>;

/**
 * The pages of all runs as they arrive: each run's in their order, those of different runs in turn. While a page is consumed the next one of its run is read, and no further. Throws the first
 * failure of a run, and the signal's reason at once when that fires; then, and when the consumer stops, nothing is read any more.
 */
export async function* interleavePages<Page extends RunPage>(
  runs: readonly Progress[],
  read: ReadRun<Page>,
  signal: AbortSignal,
): AsyncGenerator<ArrivedPage<Page>> {
  const consumer = new AbortController();
  const isOver = AbortSignal.any([signal, consumer.signal]);
  // A few for each run, and no more.
  setMaxListeners(0, isOver);
  const begin = (segment: number, after: TableKey | undefined): PendingPage<Page> => {
    const arrival = read(segment, after, isOver).then((page) => ({ ...page, segment }));
    // It is awaited later, maybe after it failed, and never where the consumer stops before.
    arrival.catch(() => undefined);
    return { segment, arrival };
  };
  try {
    let pending = runs.flatMap((progress, segment) =>
      progress === 'done' ? [] : [begin(segment, progress === 'start' ? undefined : progress)],
    );
    while (pending.length > 0) {
      signal.throwIfAborted();
      const page = await Promise.race(pending.map(({ arrival }) => arrival));
      // To the end, so that runs take turns where pages of several have arrived.
      pending = pending.filter(({ segment }) => segment !== page.segment);
      if (page.next !== undefined) pending.push(begin(page.segment, page.next));
      yield page;
    }
  } finally {
    consumer.abort();
  }
}

interface PendingPage<Page> {
  readonly segment: number;
  readonly arrival: Promise<ArrivedPage<Page>>;
}
