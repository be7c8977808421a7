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
/** Flips that are held at once, in about 30 bytes each. */
const MAX_FLIPS = 2_000_000;

/** Whether the flips of an atom in a revision count. */
export type IsWanted = (atomId: number, revision: number) => boolean;

/**
 * Reads the log of revisions in (after, until], of each as much as `isWanted`, stopping after the row that exceeds `maxBytes` or what is held at once. Setting and
 * clearing are absolute, so only the last word on each ordinal counts. Throws BrokenLog.
 */
export async function readReplay(
  sql: Sql,
  environmentId: number,
  range: { readonly after: number; readonly until: number; readonly maxBytes: number },
  isWanted: IsWanted,
): Promise<Replay> {
  const flips = new Map<number, Map<number, boolean>>();
  let reached = range.after;
  let bytes = 0;
  let noted = 0;
  for await (const row of readRevisions(sql, environmentId, range.after, range.until)) {
    noted += note(flips, row.flips, (atomId) => isWanted(atomId, row.revision));
    reached = row.revision;
    bytes += row.bytes;
    if (bytes > range.maxBytes || noted > MAX_FLIPS) break;
  }
  return { flips, until: reached };
}

/** What one revision flipped; `bytes` is the length of its log row. */
export interface LoggedRevision {
  readonly revision: number;
  readonly bytes: number;
  readonly flips: RevisionFlips;
}

/** Reads each revision in (after, until], ascending. Throws BrokenLog. */
export async function* readRevisions(
  sql: Sql,
  environmentId: number,
  after: number,
  until: number,
): AsyncGenerator<LoggedRevision> {
  for (let reached = after; reached < until;) {
    const rows = await readLog(sql, environmentId, reached, until, ROWS_PER_READ);
    if (rows.length === 0) throw new BrokenLog(reached + 1);
    for (const row of rows) {
      if (row.revision !== reached + 1) throw new BrokenLog(reached + 1);
      yield { revision: row.revision, bytes: row.payload.length, flips: decodeRow(row) };
      reached = row.revision;
    }
  }
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

/** How many flips were noted. */
function note(
  flips: Map<number, Map<number, boolean>>,
  { atoms }: RevisionFlips,
  isWanted: (atomId: number) => boolean,
): number {
  let noted = 0;
  for (const [atomId, { set, cleared }] of atoms) {
    if (!isWanted(atomId)) continue;
    let net = flips.get(atomId);
    if (net === undefined) flips.set(atomId, (net = new Map<number, boolean>()));
    for (const ordinal of set) net.set(ordinal, true);
    for (const ordinal of cleared) net.set(ordinal, false);
    noted += set.length + cleared.length;
  }
  return noted;
}
