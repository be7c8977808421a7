import type { Sql } from '../storage/database.js';
import { findIdentities, storedIdentifier } from '../storage/identities.js';
import { recordTouches, type Touch, touchKeyOfId } from '../storage/touches.js';
import type { Prepared } from './prepare-batch.js';
import type { NumberedChange } from './working-set.js';

/** Whether anything of a batch's share was taken. */
export function isAnyTaken({ parts, refused }: Prepared): boolean {
  return parts.reduce((sum, { changes }) => sum + changes.length, 0) > refused.length;
}

/**
 * Leaves what live changes touched, for the backfill that is active, under the environment's head: also what changed nothing, since the backfill would. False
 * where it deletes an identity that was not there and is by now: a page of the backfill has created it meanwhile.
 */
export async function leaveTouches(
  tx: Sql,
  prepared: Prepared,
  backfillId: number,
  revision: number,
): Promise<boolean> {
  const { environment } = prepared;
  const taken = takenChanges(prepared);
  await recordTouches(tx, environment.id, backfillId, revision, [...touchesOf(prepared, taken).values()]);
  const absent = deletedThatWereAbsent(prepared, taken);
  if (absent.identifiers.length + absent.ids.length === 0) return true;
  return !(await findIdentities(tx, environment.id, absent)).some(({ isLive }) => isLive);
}

function takenChanges({ parts, refused }: Prepared): NumberedChange[] {
  const left = new Set(refused.map(({ index }) => index));
  return parts.flatMap(({ changes }) => changes.filter(({ index }) => !left.has(index)));
}

/** By identifier and, where the source gives ids, by id too: a change can bring an identifier to another id. */
function touchesOf(prepared: Prepared, taken: readonly NumberedChange[]): Map<string, Touch> {
  const { environment, leaving } = prepared;
  const touches = new Map<string, Touch>();
  const touch = (key: string, isWhole: boolean, keys: Iterable<string>): void => {
    const earlier = touches.get(key);
    const all = isWhole || earlier?.isWhole === true ? [] : [...new Set([...(earlier?.keys ?? []), ...keys])];
    touches.set(key, { key, isWhole: isWhole || earlier?.isWhole === true, keys: all });
  };
  const idOf = environment.ordinalMode === 'given' ? idsOf(prepared) : () => undefined;
  for (const { change } of taken) {
    const isWhole = change.kind !== 'set_traits';
    touch(storedIdentifier(change.identifier), isWhole, change.traits.keys());
    const id = change.identityId ?? idOf(change.identifier);
    if (id !== undefined) touch(touchKeyOfId(id), isWhole, change.traits.keys());
  }
  for (const { identifier } of leaving) touch(storedIdentifier(identifier), true, []);
  return touches;
}

function idsOf({ parts }: Prepared): (identifier: string) => number | undefined {
  const ids = new Map<string, number>();
  for (const { rows } of parts) for (const { id, identifier, isLive } of rows) if (isLive) ids.set(identifier, id);
  return (identifier) => ids.get(identifier);
}

/** What is only deleted by the batch and was not found. */
function deletedThatWereAbsent(
  { environment, parts }: Prepared,
  taken: readonly NumberedChange[],
): { readonly identifiers: readonly string[]; readonly ids: readonly number[] } {
  const identifiers = new Set<string>();
  const ids = new Set<number>();
  for (const { change } of taken) {
    if (change.kind !== 'delete') continue;
    identifiers.add(change.identifier);
    if (change.identityId !== undefined) ids.add(change.identityId);
  }
  if (identifiers.size === 0) return { identifiers: [], ids: [] };
  for (const { change } of taken) {
    if (change.kind === 'delete') continue;
    identifiers.delete(change.identifier);
    if (change.identityId !== undefined) ids.delete(change.identityId);
  }
  for (const { rows } of parts)
    for (const { id, identifier, isLive } of rows) {
      if (isLive) identifiers.delete(identifier);
      if (isLive) ids.delete(id);
    }
  return { identifiers: [...identifiers], ids: environment.ordinalMode === 'given' ? [...ids] : [] };
}
