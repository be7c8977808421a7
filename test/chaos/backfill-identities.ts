/** Begins the identifiers of identities that only come through ApplyChanges: messages of the topic are never about them. */
export const BACKFILL_PREFIX = 'backfill-';

export function isBackfilled(identifier: string): boolean {
  return identifier.startsWith(BACKFILL_PREFIX);
}
