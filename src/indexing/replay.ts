import { RollcallError } from '../core/errors.js';
import { decodeFlips, type RevisionFlips } from '../core/flips.js';
import type { Sql } from '../storage/database.js';
import { type LogRow, readLog } from '../storage/log.js';

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
 * the last word on each ordinal counts. Throws BrokenLog.
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
    for (const row of rows) {
      if (bytes > range.maxBytes) break;
      if (row.revision !== reached + 1) throw new BrokenLog(reached + 1);
      note(flips, decodeRow(row), isWanted);
      reached = row.revision;
      bytes += row.payload.length;
    }
    if (rows.length === 0) throw new BrokenLog(reached + 1);
  }
  return { flips, until: reached };
}

/** A revision is missing from the log, or damaged: atoms whose bases are below it must be built again. */
export class BrokenLog extends RollcallError {
  readonly revision: number;

  constructor(revision: number) {
    super('INDEX_CORRUPT', 'a revision is missing from the log; what needs it is being built again', {
      metadata: { revision: String(revision) },
    });
    this.revision = revision;
  }
}

function decodeRow({ revision, payload }: LogRow): RevisionFlips {
  try {
    return decodeFlips(payload);
  } catch {
    throw new BrokenLog(revision);
  }
}

function note(
  flips: Map<number, Map<number, boolean>>,
  { atoms }: RevisionFlips,
  isWanted: (atomId: number) => boolean,
): void {
  for (const [atomId, { set, cleared }] of atoms) {
    if (!isWanted(atomId)) continue;
    let net = flips.get(atomId);
    if (net === undefined) flips.set(atomId, (net = new Map<number, boolean>()));
    for (const ordinal of set) net.set(ordinal, true);
    for (const ordinal of cleared) net.set(ordinal, false);
  }
}
