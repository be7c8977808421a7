import { RollcallError } from '../core/errors.js';
import { FlipCollector, type RevisionFlips } from '../core/flips.js';
import type { Sql } from '../storage/database.js';
import type { Environment } from '../storage/environments.js';
import { findIdentities, type FoundIdentity, lockIdentities, type Wanted } from '../storage/identities.js';
import { partsOf } from './batch-parts.js';
import { FirstFailure } from './first-failure.js';
import {
  coalesce,
  type Coalesced,
  type NumberedChange,
  type Part,
  type Refusal,
  type Transition,
} from './working-set.js';
import { deletedIds, rowsToWrite, type RowsToWrite, writeRows } from './write-rows.js';
import type { WriterCatalog } from './writer-catalog.js';

/** One environment's share of a batch, its rows written, waiting for its revision. */
export interface Prepared {
  readonly environment: Environment;
  readonly catalog: WriterCatalog;
  readonly parts: readonly Part[];
  /** As of `catalogLoad`; -1 where no one load of the catalog gave them all. */
  readonly flips: RevisionFlips;
  readonly catalogLoad: number;
  readonly isChanged: boolean;
  /** How many identities differ in the end. */
  readonly changed: number;
  readonly leaving: readonly LeftIdentifier[];
  readonly deleted: readonly number[];
  readonly unchanged: number;
  /** Changes that were left out. */
  readonly refused: readonly Refusal[];
}

/** What becomes of a part, but for the identities themselves: thousands of maps would outlive the young generation. */
export interface PreparedPart {
  readonly part: Part;
  /** How many identities differ in the end. */
  readonly changed: number;
  /** Identifiers that identities had and gave up, and their ids. */
  readonly leaving: readonly LeftIdentifier[];
  readonly deleted: readonly number[];
  readonly unchanged: number;
  readonly refused: readonly Refusal[];
}

/** An identifier that an identity had before the batch and has no more. */
export interface LeftIdentifier {
  readonly id: number;
  readonly identifier: string;
}

/** A part that is being written; `writing` ends when its rows are. */
interface WritingPart extends PreparedPart {
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
 * side. New identities come last, together, so that ordinals are allotted in the order of the batch and rows are locked in one order. Throws IdentityRace
 * where a row is no longer what was read.
 */
export async function prepare(
  tx: Sql,
  environment: Environment,
  received: readonly NumberedChange[],
  how: Preparation,
): Promise<Prepared> {
  const { changes, refused } = checkIds(environment, received);
  if (how.isWhole) throwFirst(refused);
  const { catalog } = how;
  const { loads: catalogLoad } = catalog;
  const flips = new FlipCollector();
  const failure = new FirstFailure();
  const parts: WritingPart[] = [];
  try {
    const found = { catalog, flips, failure, parts };
    await writeFound(tx, environment, changes, { ...how, ...found });
    if (how.isWhole) throwFirst(parts.flatMap((part) => part.refused));
    await Promise.all(parts.map(({ writing }) => writing));
  } catch (error) {
    throw failure.causeOf(error);
  }
  return {
    environment,
    catalog,
    flips: flips.finish(false),
    catalogLoad: catalog.loads === catalogLoad ? catalogLoad : -1,
    ...joinParts(parts, refused),
  };
}

/** A part's outcome. */
export function preparedPart(part: Part, { changed, unchanged, refused }: Coalesced): PreparedPart {
  return {
    part,
    changed: changed.length,
    leaving: leftIdentifiers(changed),
    deleted: deletedIds(changed),
    unchanged,
    refused,
  };
}

function leftIdentifiers(changed: readonly Transition[]): LeftIdentifier[] {
  const left: LeftIdentifier[] = [];
  for (const { id, before, after } of changed)
    if (before !== undefined && before.identifier !== after?.identifier)
      left.push({ id, identifier: before.identifier });
  return left;
}

/** The outcomes of all parts; `refused` are changes that were in none. */
export function joinParts(
  parts: readonly PreparedPart[],
  refused: readonly Refusal[],
): Pick<Prepared, 'parts' | 'isChanged' | 'changed' | 'leaving' | 'deleted' | 'unchanged' | 'refused'> {
  const changed = parts.reduce((sum, part) => sum + part.changed, 0);
  return {
    parts: parts.map(({ part }) => part),
    isChanged: changed > 0,
    changed,
    leaving: parts.flatMap(({ leaving }) => leaving),
    deleted: parts.flatMap(({ deleted }) => deleted),
    unchanged: parts.reduce((sum, { unchanged }) => sum + unchanged, 0),
    refused: [...refused, ...parts.flatMap((part) => part.refused)],
  };
}

interface Writing extends Preparation {
  readonly flips: FlipCollector;
  readonly failure: FirstFailure;
  /** Those that are being written. */
  readonly parts: WritingPart[];
}

interface PartWriter {
  readonly write: (rows: RowsToWrite) => Promise<void>;
}

/** Begins to write what is there as soon as it is read, in the order of locks, and last what is to be created. */
async function writeFound(
  tx: Sql,
  environment: Environment,
  changes: readonly NumberedChange[],
  { allot, reader, failure, catalog, flips, parts }: Writing,
): Promise<void> {
  const write = (rows: RowsToWrite): Promise<void> => writeRows(tx, environment.id, rows);
  const begin = (part: Part) => parts.push(beginWriting(environment, part, { catalog, flips, failure, write }));
  const creating: NumberedChange[] = [];
  const find = (wanted: Wanted): Promise<FoundIdentity[]> =>
    reader === undefined ? lockIdentities(tx, environment.id, wanted) : findIdentities(reader, environment.id, wanted);
  const { ordinalMode } = environment;
  for await (const { part, wanted, rows } of foundParts(partsOf(environment, changes), find, failure)) {
    const isAllThere = ordinalMode === 'given' || rows.length === wanted.identifiers.length;
    const divided = isAllThere ? { here: part, creating: [] } : divide(part, rows);
    if (divided.here.length > 0) begin({ changes: divided.here, rows, ordinals: new Map() });
    creating.push(...divided.creating);
  }
  if (creating.length === 0) return;
  creating.sort((a, b) => a.index - b.index);
  begin({ changes: creating, rows: [], ordinals: await allotFor(missing([], creating), allot) });
}

/** The changes of identities that are there or only deleted, and those of identities that the batch may create. */
export function divide(
  changes: readonly NumberedChange[],
  rows: readonly FoundIdentity[],
): { readonly here: readonly NumberedChange[]; readonly creating: readonly NumberedChange[] } {
  const absent = new Set(missing(rows, changes));
  if (absent.size === 0) return { here: changes, creating: [] };
  const isHere = ({ change }: NumberedChange): boolean => !absent.has(change.identifier);
  return { here: changes.filter(isHere), creating: changes.filter((change) => !isHere(change)) };
}

/** Throws the first of the refusals, by the index of the change, where there is any. */
export function throwFirst(refused: readonly Refusal[]): void {
  const [first] = [...refused].sort((a, b) => a.index - b.index);
  if (first !== undefined) throw first.error;
}

/** The ordinals of identifiers that are created, in their order. */
export async function allotFor(identifiers: readonly string[], allot: Allot): Promise<ReadonlyMap<string, number>> {
  const first = await allot(identifiers.length);
  return new Map(identifiers.map((identifier, offset) => [identifier, first + offset]));
}

/** Sends what is to be written and finds the flips meanwhile. */
function beginWriting(
  environment: Environment,
  part: Part,
  { catalog, flips, failure, write }: Pick<Writing, 'catalog' | 'flips' | 'failure'> & PartWriter,
): WritingPart {
  const coalesced = coalesce(environment, part);
  const writing = failure.watch(write(rowsToWrite(coalesced.changed, part.rows)));
  catalog.collectFlips(coalesced.changed, flips);
  return { ...preparedPart(part, coalesced), writing };
}

/** Parts that are being read ahead of the one the caller is busy with: Postgres has work while what becomes of that is found. */
const PARTS_AHEAD = 2;

/** The parts of a batch with their rows. */
async function* foundParts(
  parts: readonly (readonly NumberedChange[])[],
  find: (wanted: Wanted) => Promise<FoundIdentity[]>,
  failure: FirstFailure,
): AsyncGenerator<FoundPart> {
  const waiting = [...parts];
  const ahead: {
    readonly part: readonly NumberedChange[];
    readonly wanted: Wanted;
    readonly finding: Promise<readonly FoundIdentity[]>;
  }[] = [];
  for (;;) {
    for (const part of waiting.splice(0, PARTS_AHEAD - ahead.length)) {
      const wanted = wantedFor(part);
      ahead.push({ part, wanted, finding: failure.watch(find(wanted)) });
    }
    const next = ahead.shift();
    if (next === undefined) return;
    yield { part: next.part, wanted: next.wanted, rows: await next.finding };
  }
}

interface FoundPart {
  readonly part: readonly NumberedChange[];
  readonly wanted: Wanted;
  readonly rows: readonly FoundIdentity[];
}

/** What is to be read for the changes. */
export function wantedFor(changes: readonly NumberedChange[]): Wanted {
  const identifiers = new Set<string>();
  const ids = new Set<number>();
  for (const { change } of changes) {
    identifiers.add(change.identifier);
    if (change.identityId !== undefined) ids.add(change.identityId);
  }
  return { identifiers: [...identifiers], ids: [...ids] };
}

/** Takes out the changes that bring an id where the environment allots them. */
export function checkIds(
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
export function missing(rows: readonly FoundIdentity[], changes: readonly NumberedChange[]): string[] {
  const live = new Set(rows.filter(({ isLive }) => isLive).map(({ identifier }) => identifier));
  const absent = new Set<string>();
  for (const { change } of changes)
    if (change.kind !== 'delete' && !live.has(change.identifier)) absent.add(change.identifier);
  return [...absent];
}
