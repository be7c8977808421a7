import { RollcallError } from '../core/errors.js';
import type { OverlaidTraits } from '../core/overlaid-traits.js';
import { joinTraits } from '../core/trait-text.js';
import type { Sql } from '../storage/database.js';
import { databaseErrorCode } from '../storage/database-errors.js';
import {
  type FoundIdentity,
  inLockOrder,
  insertIdentities,
  insertInEnvironments,
  patchIdentities,
  patchInEnvironments,
  type RowPatch,
  type StoredIdentity,
} from '../storage/identities.js';
import type { Transition } from './working-set.js';

const UNIQUE_VIOLATION = '23505';

/** Another writer created or changed one of the batch's identities, or took its identifier, between the read and the write: read again. */
export class IdentityRace extends RollcallError {
  constructor(cause?: unknown) {
    super('CONFLICT', 'other writers keep changing the same identities', { cause });
  }
}

/** What is to be written of a part, each in the order of locks: rows that are there change, then come the identities that none of these rows holds. */
export interface RowsToWrite {
  readonly patches: readonly RowPatch[];
  readonly inserted: readonly StoredIdentity[];
}

/** `rows` are those that were read, live ones and tombstones. A row that goes, changes its identifier or comes back to life is freed. */
export function rowsToWrite(changed: readonly Transition[], rows: readonly FoundIdentity[]): RowsToWrite {
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  const patches: { readonly id: number; readonly identifier: string; readonly patch: RowPatch }[] = [];
  const inserted: StoredIdentity[] = [];
  for (const { id, before, after } of changed) {
    const row = rowOf.get(id);
    const isSame = row !== undefined && before !== undefined && before.identifier === after?.identifier;
    if (isSame) {
      patches.push({ id, identifier: row.identifier, patch: traitsPatch(row, after.traits) });
      continue;
    }
    if (row !== undefined)
      patches.push({ id, identifier: row.identifier, patch: { kind: 'free', id, version: row.version } });
    if (after !== undefined) inserted.push({ id, identifier: after.identifier, traits: joinTraits(after.traits) });
  }
  return { patches: inLockOrder(patches).map(({ patch }) => patch), inserted: inLockOrder(inserted) };
}

/** Writes the rows of a part. Throws IdentityRace where one is not what was read. */
export async function writeRows(tx: Sql, environmentId: number, { patches, inserted }: RowsToWrite): Promise<void> {
  expectAll(patches, await patchIdentities(tx, environmentId, patches));
  expectAll(inserted, await insertIdentities(tx, environmentId, inserted).catch(rethrowAsRace));
}

/** The same of parts of several environments, in the order of their locks: first what is there, then what is created. */
export async function writeTogether(
  tx: Sql,
  parts: readonly { readonly environmentId: number; readonly rows: RowsToWrite }[],
): Promise<void> {
  const patches = parts.flatMap(({ environmentId, rows }) => rows.patches.map((patch) => ({ environmentId, patch })));
  const inserted = parts.flatMap(({ environmentId, rows }) =>
    rows.inserted.map((identity) => ({ environmentId, identity })),
  );
  expectAll(patches, await patchInEnvironments(tx, patches));
  expectAll(inserted, await insertInEnvironments(tx, inserted).catch(rethrowAsRace));
}

function expectAll(rows: readonly unknown[], written: number): void {
  if (written < rows.length) throw new IdentityRace();
}

function rethrowAsRace(error: unknown): never {
  throw databaseErrorCode(error) === UNIQUE_VIOLATION ? new IdentityRace() : error;
}

/** Only what differs is sent and read again: most changes are of a few traits among many. */
function traitsPatch({ id, version }: FoundIdentity, { differences }: OverlaidTraits): RowPatch {
  const set = new Map<string, string>();
  const removed: string[] = [];
  for (const [key, text] of differences) {
    if (text === undefined) removed.push(key);
    else set.set(key, text);
  }
  return { kind: 'traits', id, version, removed, set: joinTraits(set) };
}

/** Of the identities that are there no more. */
export function deletedIds(changed: readonly Transition[]): number[] {
  return changed.flatMap(({ id, before, after }) => (before !== undefined && after === undefined ? [id] : []));
}
