import type { Sql } from '../../storage/database.js';
import type { Environment } from '../../storage/environments.js';
import { findIdentities, storedIdentifier } from '../../storage/identities.js';
import { readTouches, type Touch, touchKeyOfId, type TouchesSeen } from '../../storage/touches.js';
import type { EnvironmentChange } from '../applier.js';

/** What of a backfill's changes live changes leave to it. */
export interface Untouched {
  readonly changes: readonly EnvironmentChange[];
  /** No touch up to this revision is missed. */
  readonly revision: number;
}

/** The keys by which touches name the identities of changes. */
export function touchKeysOf(changes: readonly EnvironmentChange[]): string[] {
  const keys = new Set<string>();
  for (const { change } of changes) {
    keys.add(storedIdentifier(change.identifier));
    if (change.identityId !== undefined) keys.add(touchKeyOfId(change.identityId));
  }
  return [...keys];
}

/**
 * What is left of a backfill's changes beside live changes since its base: identities that came whole or were deleted stay as they are, and so do the keys that were set of others; nothing that was
 * touched is deleted.
 */
export async function leaveToLive(
  tx: Sql,
  { id: environmentId, ordinalMode }: Environment,
  backfillId: number,
  changes: readonly EnvironmentChange[],
): Promise<Untouched> {
  const seen = await readTouches(tx, environmentId, backfillId, () => touchKeysOf(changes));
  if (seen.touches.size === 0) return { changes, revision: seen.revision };
  const left: EnvironmentChange[] = [];
  const partly: { readonly change: EnvironmentChange; readonly except: ReadonlySet<string> }[] = [];
  for (const change of changes) {
    const touches = touchesOf(seen, change);
    if (touches.length === 0) left.push(change);
    else if (change.change.kind !== 'delete' && touches.every(({ isWhole }) => !isWhole))
      partly.push({ change, except: new Set(touches.flatMap(({ keys }) => keys)) });
  }
  const named = ordinalMode === 'given' ? await asNamedNow(tx, environmentId, partly) : partly;
  for (const { change, except } of named) left.push({ ...change, change: { ...change.change, except } });
  left.sort((a, b) => a.index - b.index);
  return { changes: left, revision: seen.revision };
}

function touchesOf({ touches }: TouchesSeen, { change }: EnvironmentChange): Touch[] {
  const byIdentifier = touches.get(storedIdentifier(change.identifier));
  const byId = change.identityId === undefined ? undefined : touches.get(touchKeyOfId(change.identityId));
  return [byIdentifier, byId].filter((touch) => touch !== undefined);
}

/** Where the source gives ids, a live change may have brought an id to another identifier: it keeps that; or an identifier to another id: that keeps it. */
async function asNamedNow<Item extends { readonly change: EnvironmentChange }>(
  tx: Sql,
  environmentId: number,
  items: readonly Item[],
): Promise<Item[]> {
  if (items.length === 0) return [];
  const rows = await findIdentities(tx, environmentId, {
    identifiers: items.map(({ change }) => change.change.identifier),
    ids: items.flatMap(({ change }) => change.change.identityId ?? []),
  });
  const live = rows.filter(({ isLive }) => isLive);
  const byId = new Map(live.map(({ id, identifier }) => [id, identifier]));
  const byIdentifier = new Map(live.map(({ id, identifier }) => [identifier, id]));
  return items.flatMap((item) => {
    const { change } = item.change;
    const { identityId: id = -1 } = change;
    const identifier = byId.get(id) ?? change.identifier;
    const holder = byIdentifier.get(identifier);
    if (holder !== undefined && holder !== id) return [];
    return [{ ...item, change: { ...item.change, change: { ...change, identifier } } }];
  });
}
