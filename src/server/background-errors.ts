import type { Logger } from './logger.js';

/** While the same failure comes again and again, it is logged this often. */
const REPEAT_INTERVAL_MS = 30_000;
/** Different failures that are told apart; beyond, the oldest counts as new again. */
const MAX_KNOWN = 100;

/** Logs failures of background work, which is tried again by itself: many times a second while the database is away, so repeated ones are counted and not written. */
export function createBackgroundErrorLog(logger: Logger): (error: unknown) => void {
  const known = new Map<string, { loggedAtMs: number; repeats: number }>();
  return (error) => {
    const text = String(error);
    const last = known.get(text);
    if (last !== undefined && performance.now() - last.loggedAtMs < REPEAT_INTERVAL_MS) {
      last.repeats++;
      return;
    }
    logger.warn({ err: error, repeats: last?.repeats ?? 0 }, 'background work failed and will be tried again');
    known.delete(text);
    known.set(text, { loggedAtMs: performance.now(), repeats: 0 });
    const [oldest] = known.keys();
    if (known.size > MAX_KNOWN && oldest !== undefined) known.delete(oldest);
  };
}
