import { setImmediate } from 'node:timers/promises';
import { FlipCollector } from '../core/flips.js';
import type { Sql } from '../storage/database.js';
import type { Environment } from '../storage/environments.js';
import { inLockOrder, linesOf } from '../storage/identities.js';
import { type Allot, allotFor, checkIds, joinParts, missing, type Prepared, preparedPart } from './prepare-batch.js';
import { coalesce, type NumberedChange } from './working-set.js';
import { IdentityRace, rowsToWrite, writeLines } from './write-rows.js';
import type { WriterCatalog } from './writer-catalog.js';

/** A batch of identities none of which is expected to be there, tombstones included: what becomes of it is found before its transaction begins. */
export interface NewIdentities {
  readonly environmentId: number;
  /** All of the batch. */
  readonly changes: readonly NumberedChange[];
  /** The rows to insert, in the order of locks. */
  readonly lines: readonly Buffer[];
  readonly catalog: WriterCatalog;
  /** By identifier; none where the source gives the ids. */
  readonly ordinals: ReadonlyMap<string, number>;
  readonly outcome: Omit<Prepared, 'environment' | 'catalog'>;
}

/** New identities whose lines are found at a time: others of this process have their turn in between. */
const NEW_IDENTITIES_AT_ONCE = 250;

/** Finds what becomes of new identities, and allots their ordinals in the order of the batch. Throws IdentityRace where the source gives an id twice: which identity has it depends on the order. */
export async function prepareNew(
  environment: Environment,
  received: readonly NumberedChange[],
  { catalog, allot }: { readonly catalog: WriterCatalog; readonly allot: Allot },
): Promise<NewIdentities> {
  const checked = checkIds(environment, received);
  return prepareChecked(
    environment,
    received,
    checked,
    catalog,
    await ordinalsFor(environment, checked.changes, allot),
  );
}

async function ordinalsFor(
  environment: Environment,
  changes: readonly NumberedChange[],
  allot: Allot,
): Promise<ReadonlyMap<string, number>> {
  if (environment.ordinalMode === 'allotted')
    return changes.length === 0 ? NO_ORDINALS : allotFor(missing([], changes), allot);
  if (new Set(changes.map(({ change }) => change.identityId)).size < changes.length) throw new IdentityRace();
  return NO_ORDINALS;
}

async function prepareChecked(
  environment: Environment,
  received: readonly NumberedChange[],
  { changes, refused }: ReturnType<typeof checkIds>,
  catalog: WriterCatalog,
  ordinals: ReadonlyMap<string, number>,
): Promise<NewIdentities> {
  const ordered = inLockOrder(changes.map((change) => ({ id: 0, identifier: change.change.identifier, change })));
  const { loads: catalogLoad } = catalog;
  const flips = new FlipCollector();
  const lines: Buffer[] = [];
  const parts = [];
  for (let at = 0, end; at < ordered.length; at = end) {
    end = at + NEW_IDENTITIES_AT_ONCE;
    while (end < ordered.length && ordered[end]?.identifier === ordered[end - 1]?.identifier) end++;
    const part = { changes: ordered.slice(at, end).map(({ change }) => change), rows: [], ordinals };
    const coalesced = coalesce(environment, part);
    lines.push(linesOf(environment.id, rowsToWrite(coalesced.changed, []).inserted));
    catalog.collectFlips(coalesced.changed, flips);
    parts.push(preparedPart(part, coalesced));
    await setImmediate();
  }
  const outcome = {
    flips: flips.finish(false),
    catalogLoad: catalog.loads === catalogLoad ? catalogLoad : -1,
    ...joinParts(parts, refused),
  };
  return { environmentId: environment.id, changes: received, lines, catalog, ordinals, outcome };
}

const NO_ORDINALS: ReadonlyMap<string, number> = new Map();

/** What was prepared for these changes: for all that were expected, or found again for those of them that are left. Undefined where others are among them. */
export async function expectedOf(
  expected: NewIdentities,
  environment: Environment,
  changes: readonly NumberedChange[],
): Promise<NewIdentities | undefined> {
  if (expected.environmentId !== environment.id) return undefined;
  const known = new Set(expected.changes);
  if (!changes.every((change) => known.has(change))) return undefined;
  if (changes.length === expected.changes.length) return expected;
  return prepareChecked(environment, changes, checkIds(environment, changes), expected.catalog, expected.ordinals);
}

/** Writes them; `onSent` is called when they are on their way. Throws IdentityRace where one of them is there. */
export async function writeNew(
  tx: Sql,
  environment: Environment,
  { lines, catalog, outcome }: NewIdentities,
  onSent: () => void,
): Promise<Prepared> {
  await writeLines(tx, lines, onSent);
  return { environment, catalog, ...outcome };
}
