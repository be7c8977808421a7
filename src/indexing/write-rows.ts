import { RollcallError } from '../core/errors.js';
import { joinTraits } from '../core/trait-text.js';
import type { Sql } from '../storage/database.js';
import { databaseErrorCode } from '../storage/database-errors.js';
import {
  copyIdentities,
  type FoundIdentity,
  inLockOrder,
  insertIdentities,
  insertInEnvironments,
  patchIdentities,
  patchInEnvironments,
  type NewIdentity,
  type RowPatch,
} from '../storage/identities.js';
import type { ChangedState, IdentityState, Transition } from './working-set.js';

const UNIQUE_VIOLATION = '23505';
const FAILED_TRANSACTION = '25P02';

/** Another writer created or changed one of the batch's identities, or took its identifier, between the read and the write: read again. */
export class IdentityRace extends RollcallError {
  constructor(cause?: unknown) {
    super('CONFLICT', 'other writers keep changing the same identities', { cause });
  }
}

/** What is to be written of a part, each in the order of locks: rows that are there change, then come the identities that none of these rows holds. */
export interface RowsToWrite {
  readonly patches: readonly RowPatch[];
  readonly inserted: readonly NewIdentity[];
}

/** `rows` are those that were read, live ones and tombstones. A row that goes, changes its identifier or comes back to life is freed. */
export function rowsToWrite(changed: readonly Transition[], rows: readonly FoundIdentity[]): RowsToWrite {
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  const patches: { readonly id: number; readonly identifier: string; readonly patch: RowPatch }[] = [];
  const inserted: NewIdentity[] = [];
  for (const { id, before, after } of changed) {
    const row = rowOf.get(id);
    const isSame = row !== undefined && before !== undefined && before.identifier === after?.identifier;
    if (isSame) {
      patches.push({ id, identifier: row.identifier, patch: patchOf(row, before, after) });
      continue;
    }
    if (row !== undefined)
      patches.push({ id, identifier: row.identifier, patch: { kind: 'free', id, version: row.version } });
    if (after === undefined) continue;
    const { identifier, keyOverride, traits } = after;
    inserted.push({ id, identifier, keyOverride, traits: traits.text });
  }
  return { patches: inLockOrder(patches).map(({ patch }) => patch), inserted: inLockOrder(inserted) };
}

/** Writes the rows of a part. Throws IdentityRace where one is not what was read. */
export async function writeRows(tx: Sql, environmentId: number, { patches, inserted }: RowsToWrite): Promise<void> {
  expectAll(patches, await patchIdentities(tx, environmentId, patches));
  expectAll(inserted, await insertIdentities(tx, environmentId, inserted).catch(rethrowAsRace));
}

/** Inserts identities of which none is expected to be there, from their lines. Throws IdentityRace where one of them is. */
export async function writeLines(tx: Sql, lines: readonly Buffer[], onSent: () => void): Promise<void> {
  if (lines.length > 0) await copyIdentities(tx, lines, onSent).catch(rethrowAsAnyRace);
}

/** As `writeRows`, of parts of several environments, in the order of their locks: first what is there, then what is created. */
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

/** What failed a copy may not be told: whatever it was shows again when the rows are written one by one. */
function rethrowAsAnyRace(error: unknown): never {
  throw databaseErrorCode(error) === FAILED_TRANSACTION ? new IdentityRace(error) : rethrowAsRace(error);
}

function rethrowAsRace(error: unknown): never {
  throw databaseErrorCode(error) === UNIQUE_VIOLATION ? new IdentityRace() : error;
}

/** Only what differs is sent and read again: most changes are of a few traits among many. */
function patchOf({ id, version }: FoundIdentity, before: IdentityState, after: ChangedState): RowPatch {
  const set = new Map<string, string>();
  const removed: string[] = [];
  for (const [key, text] of after.traits.differences) {
    if (text === undefined) removed.push(key);
    else set.set(key, text);
  }
  const patch = { kind: 'traits', id, version, removed, set: joinTraits(set) } as const;
  return before.keyOverride === after.keyOverride ? patch : { ...patch, keyOverride: after.keyOverride ?? null };
}

/** Of the identities that are there no more. */
export function deletedIds(changed: readonly Transition[]): number[] {
  return changed.flatMap(({ id, before, after }) => (before !== undefined && after === undefined ? [id] : []));
}
