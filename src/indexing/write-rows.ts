import { RollcallError } from '../core/errors.js';
import { joinTraits } from '../core/trait-text.js';
import type { Sql } from '../storage/database.js';
import { databaseErrorCode } from '../storage/database-errors.js';
import {
  deleteIdentities,
  insertIdentities,
  patchTraits,
  reviveIdentities,
  type StoredIdentity,
  type TraitsPatch,
} from '../storage/identities.js';
import type { Transition } from './working-set.js';

/** The revision of tombstones until their transaction knows its own; later than any. */
const UNKNOWN_REVISION = Number.MAX_SAFE_INTEGER;
const UNIQUE_VIOLATION = '23505';

/** Another writer created one of the batch's identities, or took its identifier, between the read and the write: read again. */
export class IdentityRace extends RollcallError {
  constructor() {
    super('CONFLICT', 'other writers keep changing the same identities');
  }
}

/** What is to be written of a part. `freed` are rows that go or change their identifier. */
export interface RowsToWrite {
  readonly freed: readonly number[];
  readonly inserted: readonly StoredIdentity[];
  readonly revived: readonly StoredIdentity[];
  readonly patches: readonly TraitsPatch[];
}

/** `existing` are the ids that have a row, live or a tombstone. */
export function rowsToWrite(changed: readonly Transition[], existing: ReadonlySet<number>): RowsToWrite {
  const patches: TraitsPatch[] = [];
  const revived: StoredIdentity[] = [];
  const inserted: StoredIdentity[] = [];
  const freed: number[] = deletedIds(changed);
  for (const { id, before, after } of changed) {
    if (after === undefined) continue;
    if (before?.identifier === after.identifier) {
      patches.push(patchOf(id, before.traits, after.traits));
      continue;
    }
    const row = { id, identifier: after.identifier, traits: joinTraits(after.traits) };
    if (existing.has(id)) revived.push(row);
    else inserted.push(row);
    if (before !== undefined) freed.push(id);
  }
  return { freed, inserted, revived, patches };
}

/** Writes the rows of a part. Identifiers are freed first, so that another row may take them. Throws IdentityRace. */
export async function writeRows(
  tx: Sql,
  environmentId: number,
  { freed, inserted, revived, patches }: RowsToWrite,
): Promise<void> {
  await deleteIdentities(tx, environmentId, freed, UNKNOWN_REVISION);
  if (inserted.length > 0) {
    const done = await insertIdentities(tx, environmentId, inserted);
    if (done.size < inserted.length) throw new IdentityRace();
  }
  await reviveIdentities(tx, environmentId, revived).catch((error: unknown) => {
    throw databaseErrorCode(error) === UNIQUE_VIOLATION ? new IdentityRace() : error;
  });
  await patchTraits(tx, environmentId, patches);
}

/** Only what differs is sent and read again: most changes are of a few traits among many. */
function patchOf(id: number, before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): TraitsPatch {
  const set = new Map<string, string>();
  let kept = 0;
  for (const [key, text] of after) {
    const earlier = before.get(key);
    if (earlier !== undefined) kept++;
    if (earlier !== text) set.set(key, text);
  }
  const removed = kept === before.size ? [] : [...before.keys()].filter((key) => !after.has(key));
  return { id, removed, set: joinTraits(set) };
}

/** Of the identities that are there no more. */
export function deletedIds(changed: readonly Transition[]): number[] {
  return changed.flatMap(({ id, before, after }) => (before !== undefined && after === undefined ? [id] : []));
}
