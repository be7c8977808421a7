import { MAX_PAGE_BYTES, MAX_PAGE_IDENTITIES } from '../../core/source.js';

/** What one statement of a scan looks at: the ids after the last one up to that many more, of which it takes at most `limit` rows. */
export interface ScanWindow {
  readonly ids: number;
  readonly limit: number;
}

/** What came of it. */
export interface ScannedWindow {
  /** How far it got: up to the end, or to the last row where it was full. */
  readonly ids: number;
  readonly rows: number;
  readonly bytes: number;
}

/** Ids that one statement looks through at most: environments share the table, and what it takes must not depend on how the others are spread. */
const MAX_IDS = 1_000_000;
const MIN_IDS = 10_000;
const GROWTH = 4;
/** How much more than what is expected is looked through. */
const SPARE = 1.5;

/** The first window; pages are of at most `pageSize` rows. */
export function firstWindow(pageSize: number): ScanWindow {
  const limit = Math.min(pageSize, MAX_PAGE_IDENTITIES);
  return { ids: Math.max(MIN_IDS, limit * GROWTH), limit };
}

/** The next one, such that it is likely to be a full page: by how close to each other and how large the rows of the last one were. It grows step by step. */
export function nextWindow(window: ScanWindow, scanned: ScannedWindow, pageSize: number): ScanWindow {
  const { ids, rows, bytes } = scanned;
  if (rows === 0) return { ...window, ids: Math.min(MAX_IDS, window.ids * GROWTH) };
  const fitting = Math.floor(MAX_PAGE_BYTES / (bytes / rows));
  const limit = Math.max(1, Math.min(pageSize, MAX_PAGE_IDENTITIES, fitting, window.limit * GROWTH));
  const wanted = Math.ceil((limit * ids * SPARE) / rows);
  return { ids: Math.min(MAX_IDS, Math.max(MIN_IDS, Math.min(wanted, window.ids * GROWTH))), limit };
}

/** The same after failures, which may have come of its size. */
export function afterFailures(window: ScanWindow, failures: number): ScanWindow {
  const shrink = (amount: number): number => Math.max(1, Math.floor(amount / 2 ** failures));
  return { ids: shrink(window.ids), limit: shrink(window.limit) };
}
