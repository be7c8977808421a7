import type { Database } from '../storage/database.js';
import { RollcallError } from '../core/errors.js';
import { type Cursor, isOfPredicate } from './cursor.js';
import type { EnvironmentIndex, Selection } from './environment-index.js';
import { type Freshness, select, type Target } from './select.js';

/** A selection that continues an earlier one, or that takes its place at a newer revision. */
export interface Resumed {
  readonly selection: Selection;
  readonly after: number;
  readonly isRevisionChanged: boolean;
}

/** Before the first ordinal. */
export const START = -1;

/**
 * The selection that a cursor goes on with (I8): the same members at the same revision, where the log still reaches it and the segment is the same; else,
 * unless `isStrict`, the members now. Where it is strict, throws CURSOR_EXPIRED, or REVISION_NOT_REACHED where the database is not there (yet, or any more after a restore).
 */
export async function resume(
  database: Database,
  index: EnvironmentIndex,
  target: Target,
  request: { readonly freshness: Freshness; readonly cursor: Cursor | undefined; readonly isStrict: boolean },
): Promise<Resumed> {
  const { cursor, isStrict, freshness } = request;
  if (cursor === undefined)
    return { selection: await select(database, index, target, freshness), after: START, isRevisionChanged: false };
  const same = await selectSame(database, index, target, cursor).catch((error: unknown) => {
    if (isStrict || !isExpiry(error)) throw error;
    return undefined;
  });
  if (same !== undefined) return { selection: same, after: cursor.after, isRevisionChanged: false };
  const selection = await select(database, index, target, { level: 'latest' });
  return { selection, after: cursor.after, isRevisionChanged: true };
}

async function selectSame(
  database: Database,
  index: EnvironmentIndex,
  target: Target,
  cursor: Cursor,
): Promise<Selection> {
  const selection = await select(database, index, target, { level: 'exact', revision: cursor.revision });
  if (selection.committedAt.getTime() !== cursor.committedAtMs)
    throw expired(cursor, 'the database is not the one the cursor was made on');
  if (!isOfPredicate(cursor, selection.served.predicate.key))
    throw expired(cursor, 'the segment was changed since the cursor was made');
  return selection;
}

function isExpiry(error: unknown): boolean {
  return (
    error instanceof RollcallError && (error.reason === 'CURSOR_EXPIRED' || error.reason === 'REVISION_NOT_REACHED')
  );
}

function expired(cursor: Cursor, message: string): RollcallError {
  return new RollcallError('CURSOR_EXPIRED', message, { metadata: { revision: String(cursor.revision) } });
}
