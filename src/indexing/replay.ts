import { decodeFlips } from '../core/flips.js';
import type { Sql } from '../storage/database.js';
import { readLog } from '../storage/log.js';
import { RollcallError } from '../core/errors.js';

/** The last word of a run of the log on each ordinal that it flipped, by atom: whether it is set. */
export type NetFlips = ReadonlyMap<number, ReadonlyMap<number, boolean>>;

/** A run of the log, read. `until` is where it stops: at the asked revision or, where there is too much, before. */
export interface Replay {
  readonly flips: NetFlips;
  readonly until: number;
}

const ROWS_PER_READ = 200;

/**
 * Reads the log of revisions in (after, until] for `isWanted` atoms, stopping after the row that exceeds `maxBytes`. Setting and clearing are absolute, so only
 * the last word on each ordinal counts. Throws INDEX_CORRUPT where a revision is missing.
 */
export async function readReplay(
  sql: Sql,
  environmentId: number,
  range: { readonly after: number; readonly until: number; readonly maxBytes: number },
  isWanted: (atomId: number) => boolean,
): Promise<Replay> {
  const flips = new Map<number, Map<number, boolean>>();
  let reached = range.after;
  let bytes = 0;
  while (reached < range.until && bytes <= range.maxBytes) {
    const rows = await readLog(sql, environmentId, reached, range.until, ROWS_PER_READ);
    for (const { revision, payload } of rows) {
      if (bytes > range.maxBytes) break;
      if (revision !== reached + 1) failAtGap(reached + 1);
      note(flips, payload, isWanted);
      reached = revision;
      bytes += payload.length;
    }
    if (rows.length === 0) failAtGap(reached + 1);
  }
  return { flips, until: reached };
}

function failAtGap(revision: number): never {
  throw new RollcallError('INDEX_CORRUPT', 'a revision is missing from the log', { metadata: { revision: String(revision) } });
}

function note(flips: Map<number, Map<number, boolean>>, payload: Uint8Array, isWanted: (atomId: number) => boolean): void {
  for (const [atomId, { set, cleared }] of decodeFlips(payload).atoms) {
    if (!isWanted(atomId)) continue;
    let net = flips.get(atomId);
    if (net === undefined) flips.set(atomId, (net = new Map<number, boolean>()));
    for (const ordinal of set) net.set(ordinal, true);
    for (const ordinal of cleared) net.set(ordinal, false);
  }
}
