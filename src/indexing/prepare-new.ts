import { setImmediate } from 'node:timers/promises';
import { FlipCollector } from '../core/flips.js';
import type { Sql } from '../storage/database.js';
import type { Environment } from '../storage/environments.js';
import { inLockOrder, linesOf } from '../storage/identities.js';
import { type Allot, allotFor, checkIds, joinParts, missing, type Prepared, preparedPart } from './prepare-batch.js';
import { coalesce, type NumberedChange } from './working-set.js';
import { rowsToWrite, writeLines } from './write-rows.js';
import type { WriterCatalog } from './writer-catalog.js';

/** A batch of identities none of which is expected to be there, tombstones included: what becomes of it is found before its transaction begins. */
export interface NewIdentities {
  readonly environmentId: number;
  /** All of the batch. */
  readonly changes: readonly NumberedChange[];
  /** The rows to insert, in the order of locks. */
  readonly lines: readonly Buffer[];
  readonly catalog: WriterCatalog;
  readonly outcome: Omit<Prepared, 'environment' | 'catalog'>;
}

/** New identities whose lines are found at a time: others of this process have their turn in between. */
const NEW_IDENTITIES_AT_ONCE = 250;

/** Finds what becomes of new identities, and allots their ordinals in the order of the batch. */
export async function prepareNew(
  environment: Environment,
  received: readonly NumberedChange[],
  { catalog, allot }: { readonly catalog: WriterCatalog; readonly allot: Allot },
): Promise<NewIdentities> {
  const { changes, refused } = checkIds(environment, received);
  const isGiven = environment.ordinalMode === 'given' || changes.length === 0;
  const ordinals = isGiven ? NO_ORDINALS : await allotFor(missing([], changes), allot);
  const ordered = inLockOrder(changes.map((change) => ({ id: 0, identifier: change.change.identifier, change })));
  const { loads: catalogLoad } = catalog;
  const flips = new FlipCollector();
  const lines: Buffer[] = [];
  const parts = [];
  for (let at = 0; at < ordered.length; at += NEW_IDENTITIES_AT_ONCE) {
    const own = ordered.slice(at, at + NEW_IDENTITIES_AT_ONCE).map(({ change }) => change);
    const part = { changes: own, rows: [], ordinals };
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
  return { environmentId: environment.id, changes: received, lines, catalog, outcome };
}

const NO_ORDINALS: ReadonlyMap<string, number> = new Map();

/** Whether these are the batch's changes, all of them. */
export function areChangesOf(
  expected: NewIdentities,
  environmentId: number,
  changes: readonly NumberedChange[],
): boolean {
  return (
    expected.environmentId === environmentId &&
    expected.changes.length === changes.length &&
    changes.every((change, at) => change === expected.changes[at])
  );
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
