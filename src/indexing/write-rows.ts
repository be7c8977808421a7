import { RollcallError } from '../core/errors.js';
import { joinTraits } from '../core/trait-text.js';
import type { Sql } from '../storage/database.js';
import { databaseErrorCode } from '../storage/database-errors.js';
import {
  freeIdentities,
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

/** Another writer created or changed one of the batch's identities, or took its identifier, between the read and the write: read again. */
export class IdentityRace extends RollcallError {
  constructor() {
    super('CONFLICT', 'other writers keep changing the same identities');
  }
}

/** What is to be written of a part. `freed` are the versions of rows that go, change their identifier or come back to life. */
export interface RowsToWrite {
  readonly freed: readonly string[];
  readonly inserted: readonly StoredIdentity[];
  readonly revived: readonly StoredIdentity[];
  readonly patches: readonly TraitsPatch[];
}

/** `versions` are those of the ids that have a row, live or a tombstone. */
export function rowsToWrite(changed: readonly Transition[], versions: ReadonlyMap<number, string>): RowsToWrite {
  const rows = {
    freed: [] as string[],
    inserted: [] as StoredIdentity[],
    revived: [] as StoredIdentity[],
    patches: [] as TraitsPatch[],
  };
  for (const { id, before, after } of changed) {
    const version = versions.get(id);
    if (version !== undefined && after !== undefined && before?.identifier === after.identifier) {
      rows.patches.push(patchOf(version, before.traits, after.traits));
      continue;
    }
    if (version !== undefined) rows.freed.push(version);
    if (after === undefined) continue;
    const row = { id, identifier: after.identifier, traits: joinTraits(after.traits) };
    (version === undefined ? rows.inserted : rows.revived).push(row);
  }
  return rows;
}

/** Writes the rows of a part. Identifiers are freed first, so that another row may take them. Throws IdentityRace where a row is not what was read. */
export async function writeRows(
  tx: Sql,
  environmentId: number,
  { freed, inserted, revived, patches }: RowsToWrite,
): Promise<void> {
  expectAll(await freeIdentities(tx, environmentId, freed, UNKNOWN_REVISION), freed);
  if (inserted.length > 0) expectAll((await insertIdentities(tx, environmentId, inserted)).size, inserted);
  await reviveIdentities(tx, environmentId, revived).catch((error: unknown) => {
    throw databaseErrorCode(error) === UNIQUE_VIOLATION ? new IdentityRace() : error;
  });
  expectAll(await patchTraits(tx, environmentId, patches), patches);
}

function expectAll(done: number, wanted: readonly unknown[]): void {
  if (done < wanted.length) throw new IdentityRace();
}

/** Only what differs is sent and read again: most changes are of a few traits among many. */
function patchOf(
  version: string,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): TraitsPatch {
  const set = new Map<string, string>();
  let kept = 0;
  for (const [key, text] of after) {
    const earlier = before.get(key);
    if (earlier !== undefined) kept++;
    if (earlier !== text) set.set(key, text);
  }
  const removed = kept === before.size ? [] : [...before.keys()].filter((key) => !after.has(key));
  return { version, removed, set: joinTraits(set) };
}

/** Of the identities that are there no more. */
export function deletedIds(changed: readonly Transition[]): number[] {
  return changed.flatMap(({ id, before, after }) => (before !== undefined && after === undefined ? [id] : []));
}
