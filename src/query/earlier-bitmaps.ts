import { OrdinalSet } from '../core/bitmap.js';
import { RollcallError } from '../core/errors.js';
import { type AtomFlips, decodeFlips } from '../core/flips.js';
import type { Database } from '../storage/database.js';
import { readLog } from '../storage/log.js';

/** Of one atom, the ordinals that flipped after a revision, and those of them that were set at it. */
interface Undone {
  readonly flipped: OrdinalSet;
  readonly wasSet: OrdinalSet;
}

/** What takes atoms back to a revision, by their keys, and when that was committed. */
export interface EarlierRevision {
  readonly undone: ReadonlyMap<string, Undone>;
  readonly committedAt: Date;
}

const LOG_ROWS_PER_READ = 500;

/** Reads the revisions after `until` up to `from`. `keys` are those of the atoms by their ids. Throws CURSOR_EXPIRED where the log does not reach `until`. */
export async function readBack(
  { sql }: Database,
  environmentId: number,
  keys: ReadonlyMap<number, string>,
  from: number,
  until: number,
): Promise<EarlierRevision> {
  const undone = new Map(
    [...keys.values()].map((key) => [key, { flipped: new OrdinalSet(), wasSet: new OrdinalSet() }]),
  );
  let reached = until - 1;
  let committedAt: Date | undefined;
  while (reached < from) {
    const rows = await readLog(sql, environmentId, reached, from, LOG_ROWS_PER_READ);
    for (const row of rows) {
      if (row.revision !== reached + 1) throw expired(until);
      reached = row.revision;
      if (row.revision === until) committedAt = row.committedAt;
      else for (const [id, flips] of decodeFlips(row.payload).atoms) noteFlips(undone.get(keys.get(id) ?? ''), flips);
    }
    if (rows.length === 0) throw expired(until);
  }
  if (committedAt === undefined) throw expired(until);
  return { undone, committedAt };
}

/** The first flip of an ordinal after a revision tells what it was at that revision: the opposite. */
function noteFlips(undone: Undone | undefined, { set, cleared }: AtomFlips): void {
  if (undone === undefined) return;
  const { flipped, wasSet } = undone;
  for (const ordinal of cleared) if (!flipped.has(ordinal)) wasSet.add(ordinal);
  flipped.addAll(set);
  flipped.addAll(cleared);
}

/** The bitmap of an atom at the earlier revision, given the one that `readBack` began from. */
export function takeBack({ undone }: EarlierRevision, key: string, bitmap: OrdinalSet): OrdinalSet {
  const own = undone.get(key);
  return own === undefined ? bitmap : bitmap.andNot(own.flipped).or(own.wasSet);
}

export function expired(revision: number): RollcallError {
  return new RollcallError('CURSOR_EXPIRED', `revision ${revision} can no longer be read`, {
    metadata: { revision: String(revision) },
  });
}
