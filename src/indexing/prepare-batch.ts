import { RollcallError } from '../core/errors.js';
import { FlipCollector, type RevisionFlips } from '../core/flips.js';
import type { Sql } from '../storage/database.js';
import type { Environment } from '../storage/environments.js';
import { findIdentities, type FoundIdentity, lockIdentities, type Wanted } from '../storage/identities.js';
import { partsOf } from './batch-parts.js';
import { coalesce, type NumberedChange, type Part, type Refusal } from './working-set.js';
import { deletedIds, rowsToWrite, writeRows } from './write-rows.js';
import type { WriterCatalog } from './writer-catalog.js';

/** One environment's share of a batch, its rows written, waiting for its revision. */
export interface Prepared {
  readonly environment: Environment;
  readonly catalog: WriterCatalog;
  readonly parts: readonly Part[];
  /** As of `catalogRevision`; -1 where no one catalog gave them all. */
  readonly flips: RevisionFlips;
  readonly catalogRevision: number;
  readonly isChanged: boolean;
  readonly deleted: readonly number[];
  readonly unchanged: number;
  /** Changes that were left out. */
  readonly refused: readonly Refusal[];
}

/** What is done with a part; `writing` ends when its rows are written. */
interface Written {
  readonly part: Part;
  readonly isChanged: boolean;
  readonly deleted: readonly number[];
  readonly unchanged: number;
  readonly refused: readonly Refusal[];
  readonly writing: Promise<void>;
}

/** Allots consecutive ordinals in a transaction of its own: the first of them. */
export type Allot = (count: number) => Promise<number>;

/** How a batch is prepared. */
export interface Preparation {
  readonly catalog: WriterCatalog;
  readonly allot: Allot;
  /** A change that cannot be applied refuses the batch. */
  readonly isWhole: boolean;
  /** Where identities are read ahead, without locks; undefined: under locks, in the transaction. */
  readonly reader: Sql | undefined;
}

/**
 * Reads and writes a batch part by part, each written as soon as it is known what becomes of it: two connections of Postgres and this process work side by
 * side. Parts with new identities come last, together, so that ordinals are allotted in the order of the batch. Throws IdentityRace where a row
 * is no longer what was read.
 */
export async function prepare(
  tx: Sql,
  environment: Environment,
  received: readonly NumberedChange[],
  { catalog, allot, isWhole, reader }: Preparation,
): Promise<Prepared> {
  const { changes, refused } = checkIds(environment, received);
  if (isWhole) throwFirst(refused);
  const { revision: catalogRevision } = catalog;
  const flips = new FlipCollector();
  const written: Written[] = [];
  const write = (part: Part) => written.push(beginWriting(tx, environment, part, { catalog, flips }));
  const creating: { changes: NumberedChange[]; rows: FoundIdentity[] } = { changes: [], rows: [] };
  const find = (wanted: Wanted): Promise<FoundIdentity[]> =>
    reader === undefined ? lockIdentities(tx, environment.id, wanted) : findIdentities(reader, environment.id, wanted);
  for await (const { part, rows } of foundParts(partsOf(environment, changes), find)) {
    if (missing(rows, part).length === 0) {
      write({ changes: part, rows, ordinals: new Map() });
      continue;
    }
    creating.changes.push(...part);
    creating.rows.push(...rows);
  }
  if (creating.changes.length > 0) {
    creating.changes.sort((a, b) => a.index - b.index);
    const ordinals = await ordinalsOf(environment, missing(creating.rows, creating.changes), allot);
    write({ ...creating, ordinals });
  }
  if (isWhole) throwFirst(written.flatMap((part) => part.refused));
  await Promise.all(written.map(({ writing }) => writing));
  return {
    environment,
    catalog,
    parts: written.map(({ part }) => part),
    flips: flips.finish(false),
    catalogRevision: catalog.revision === catalogRevision ? catalogRevision : -1,
    isChanged: written.some((part) => part.isChanged),
    deleted: written.flatMap(({ deleted }) => deleted),
    unchanged: written.reduce((sum, { unchanged }) => sum + unchanged, 0),
    refused: [...refused, ...written.flatMap((part) => part.refused)],
  };
}

function throwFirst(refused: readonly Refusal[]): void {
  const [first] = [...refused].sort((a, b) => a.index - b.index);
  if (first !== undefined) throw first.error;
}

async function ordinalsOf(
  { ordinalMode }: Environment,
  identifiers: readonly string[],
  allot: Allot,
): Promise<ReadonlyMap<string, number>> {
  if (ordinalMode === 'given') return new Map();
  const first = await allot(identifiers.length);
  return new Map(identifiers.map((identifier, offset) => [identifier, first + offset]));
}

/** Sends what is to be written and finds the flips meanwhile. What becomes of the identities is not kept: thousands of maps would outlive the young generation. */
function beginWriting(
  tx: Sql,
  environment: Environment,
  part: Part,
  { catalog, flips }: { readonly catalog: WriterCatalog; readonly flips: FlipCollector },
): Written {
  const { changed, unchanged, refused } = coalesce(environment, part);
  const versions = new Map(part.rows.map(({ id, version }) => [id, version]));
  const writing = watched(writeRows(tx, environment.id, rowsToWrite(changed, versions)));
  catalog.collectFlips(changed, flips);
  return { part, isChanged: changed.length > 0, deleted: deletedIds(changed), unchanged, refused, writing };
}

/** The same promise; should it reject while nobody waits for it yet, or any more, that ends no process. */
function watched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** Parts that are being read ahead of the one the caller is busy with: Postgres has work while what becomes of that is found. */
const PARTS_AHEAD = 2;

/** The parts of a batch with their rows. */
async function* foundParts(
  parts: readonly (readonly NumberedChange[])[],
  find: (wanted: Wanted) => Promise<FoundIdentity[]>,
): AsyncGenerator<{ readonly part: readonly NumberedChange[]; readonly rows: readonly FoundIdentity[] }> {
  const waiting = [...parts];
  const ahead: { part: readonly NumberedChange[]; finding: Promise<readonly FoundIdentity[]> }[] = [];
  for (;;) {
    for (const part of waiting.splice(0, PARTS_AHEAD - ahead.length))
      ahead.push({ part, finding: watched(find(wantedFor(part))) });
    const next = ahead.shift();
    if (next === undefined) return;
    yield { part: next.part, rows: await next.finding };
  }
}

function wantedFor(changes: readonly NumberedChange[]): Wanted {
  const identifiers = new Set<string>();
  const ids = new Set<number>();
  for (const { change } of changes) {
    identifiers.add(change.identifier);
    if (change.identityId !== undefined) ids.add(change.identityId);
  }
  return { identifiers: [...identifiers], ids: [...ids] };
}

/** Takes out the changes that bring an id where the environment allots them. */
function checkIds(
  { ordinalMode, key }: Environment,
  received: readonly NumberedChange[],
): { readonly changes: readonly NumberedChange[]; readonly refused: readonly Refusal[] } {
  const isWrong = ({ change }: NumberedChange): boolean => change.identityId !== undefined;
  if (ordinalMode === 'given' || !received.some(isWrong)) return { changes: received, refused: [] };
  const refused = received.filter(isWrong).map(({ index, change }) => {
    const error = new RollcallError(
      'IDENTITY_ID_NOT_ALLOWED',
      'this environment allots ordinals itself: a change must not bring an id',
      { metadata: { index: String(index), environment: key } },
    );
    return { index, change, error };
  });
  return { changes: received.filter((change) => !isWrong(change)), refused };
}

/** Identifiers that the batch may create: not live, and not only deleted. */
function missing(rows: readonly FoundIdentity[], changes: readonly NumberedChange[]): string[] {
  const live = new Set(rows.filter(({ isLive }) => isLive).map(({ identifier }) => identifier));
  const absent = new Set<string>();
  for (const { change } of changes)
    if (change.kind !== 'delete' && !live.has(change.identifier)) absent.add(change.identifier);
  return [...absent];
}
