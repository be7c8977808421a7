import { RollcallError } from '../core/errors.js';
import { encodeFlips, type RevisionFlips } from '../core/flips.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import {
  allotOrdinals,
  type Environment,
  findEnvironment,
  readHead,
  replacePayload,
  takeRevision,
} from '../storage/environments.js';
import { deleteIdentities, type LockedIdentity, lockIdentities } from '../storage/identities.js';
import { partsOf } from './batch-parts.js';
import { isSameState, type NumberedChange, type Transition, WorkingSet } from './working-set.js';
import { deletedIds, IdentityRace, writeRows } from './write-rows.js';
import { WriterCatalog } from './writer-catalog.js';

/** A change of an environment, numbered by the caller. */
export interface EnvironmentChange extends NumberedChange {
  readonly environmentKey: string;
}

/** A revision that was committed, with what it changed. */
export interface CommittedRevision {
  readonly environmentId: number;
  readonly revision: number;
  readonly committedAt: Date;
  readonly flips: RevisionFlips;
}

/** What a batch did: the revision by which each environment shows it, and how many of its changes changed nothing. */
export interface AppliedBatch {
  readonly revisions: ReadonlyMap<string, number>;
  readonly unchanged: number;
}

/** One environment's part of a batch, its rows locked and written, waiting for its revision. */
interface Prepared {
  readonly environment: Environment;
  readonly catalog: WriterCatalog;
  readonly changed: readonly Transition[];
  /** As of `catalogRevision`; -1 where no catalog was loaded yet. */
  readonly flips: RevisionFlips;
  readonly catalogRevision: number;
  readonly unchanged: number;
}

/** Changes of a batch that have no identity in common with the others, and the rows that were locked for them. */
interface Part {
  readonly changes: readonly NumberedChange[];
  readonly rows: readonly LockedIdentity[];
}

/** What became of a part; `writing` ends when its rows are written. */
interface Outcome {
  readonly changed: readonly Transition[];
  readonly unchanged: number;
  readonly writing: Promise<void>;
}

/** Times that a batch is tried where other writers create or delete the same identities at the same time. */
const MAX_ATTEMPTS = 20;

/**
 * Applies batches of changes, each in one transaction: identity rows and log row commit together or not at all (I2). Locks are taken
 * in the order of correctness: identity rows by environment and id, then heads by environment.
 */
export class Applier {
  readonly #database: Database;
  readonly #onCommitted: (revision: CommittedRevision) => void;
  readonly #catalogs = new Map<number, WriterCatalog>();

  constructor(database: Database, onCommitted: (revision: CommittedRevision) => void) {
    this.#database = database;
    this.#onCommitted = onCommitted;
  }

  /** Applies a batch whole or not at all. Errors that name a change carry its `index`. */
  async apply(changes: readonly EnvironmentChange[]): Promise<AppliedBatch> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#applyOnce(changes);
      } catch (error) {
        if (!(error instanceof IdentityRace) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  async #applyOnce(changes: readonly EnvironmentChange[]): Promise<AppliedBatch> {
    const committed: CommittedRevision[] = [];
    const revisions = new Map<string, number>();
    const prepared = await inTransaction(this.#database, { isolation: 'read committed' }, async (tx) => {
      committed.length = 0;
      const parts: Prepared[] = [];
      for (const [environment, own] of await groupByEnvironment(tx, changes))
        parts.push(await this.#prepare(tx, environment, own));
      for (const part of parts) {
        const revision = await this.#takeRevision(tx, part);
        if (revision !== undefined) committed.push(revision);
        revisions.set(
          part.environment.key,
          revision?.revision ?? (await readHead(tx, part.environment.id))?.revision ?? 0,
        );
      }
      return parts;
    });
    committed.forEach(this.#onCommitted);
    return { revisions, unchanged: prepared.reduce((sum, part) => sum + part.unchanged, 0) };
  }

  /**
   * Every part is asked for at once and written as soon as it is known what becomes of it: Postgres and this process work side by side. Parts with new
   * identities come last, together, so that ordinals are allotted in the order of the batch.
   */
  async #prepare(tx: Sql, environment: Environment, changes: readonly NumberedChange[]): Promise<Prepared> {
    checkIds(environment, changes);
    const parts = partsOf(environment, changes).map((part) => ({
      part,
      locking: watched(lockPart(tx, environment.id, part)),
    }));
    const outcomes: Outcome[] = [];
    const creating: { changes: NumberedChange[]; rows: LockedIdentity[] } = { changes: [], rows: [] };
    for (const { part, locking } of parts) {
      const rows = await locking;
      if (missing(rows, part).length === 0) {
        outcomes.push(await this.#write(tx, environment, { changes: part, rows }));
        continue;
      }
      creating.changes.push(...part);
      creating.rows.push(...rows);
    }
    creating.changes.sort((a, b) => a.index - b.index);
    if (creating.changes.length > 0) outcomes.push(await this.#write(tx, environment, creating));
    const catalog = this.#catalog(environment);
    const changed = outcomes.flatMap((outcome) => outcome.changed);
    const prepared = {
      environment,
      catalog,
      changed,
      flips: catalog.flips(changed).finish(false),
      catalogRevision: catalog.revision,
    };
    await Promise.all(outcomes.map(({ writing }) => writing));
    return { ...prepared, unchanged: outcomes.reduce((sum, { unchanged }) => sum + unchanged, 0) };
  }

  /** Begins to write what becomes of a part; its rows are locked. */
  async #write(tx: Sql, environment: Environment, { changes, rows }: Part): Promise<Outcome> {
    const allot = await this.#allot(environment, missing(rows, changes));
    const working = new WorkingSet(
      environment.ordinalMode,
      rows.filter(({ isLive }) => isLive),
      allot,
    );
    let unchanged = 0;
    for (const change of changes) if (!working.put(change)) unchanged++;
    const changed = working.transitions().filter(({ before, after }) => !isSameState(before, after));
    return {
      changed,
      unchanged,
      writing: watched(writeRows(tx, environment.id, changed, new Set(rows.map(({ id }) => id)))),
    };
  }

  async #allot(environment: Environment, identifiers: readonly string[]): Promise<(identifier: string) => number> {
    const ordinals = new Map<string, number>();
    if (environment.ordinalMode === 'allotted' && identifiers.length > 0) {
      const first = await allotOrdinals(this.#database.sql, environment.id, identifiers.length);
      identifiers.forEach((identifier, offset) => ordinals.set(identifier, first + offset));
    }
    return (identifier) => ordinals.get(identifier) ?? fail(`no ordinal was allotted`);
  }

  /** Takes the revision of what was prepared, if it changed anything. Under the head's lock a catalog that moved is loaded and the differences are found again. */
  async #takeRevision(
    tx: Sql,
    { environment, catalog, changed, ...prepared }: Prepared,
  ): Promise<CommittedRevision | undefined> {
    if (changed.length === 0) return undefined;
    let { flips } = prepared;
    const head = await takeRevision(tx, environment.id, encodeFlips(flips), false);
    if (head.catalogRevision !== prepared.catalogRevision) {
      await catalog.load(tx);
      flips = catalog.flips(changed).finish(false);
      await replacePayload(tx, head, encodeFlips(flips));
    }
    await deleteIdentities(tx, environment.id, deletedIds(changed), head.revision);
    return { environmentId: environment.id, revision: head.revision, committedAt: head.committedAt, flips };
  }

  #catalog(environment: Environment): WriterCatalog {
    let catalog = this.#catalogs.get(environment.id);
    if (catalog === undefined) this.#catalogs.set(environment.id, (catalog = new WriterCatalog(environment)));
    return catalog;
  }
}

/** The same promise; should it reject while nobody waits for it yet, or any more, that ends no process. */
function watched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

function lockPart(tx: Sql, environmentId: number, changes: readonly NumberedChange[]): Promise<LockedIdentity[]> {
  const identifiers = new Set<string>();
  const ids = new Set<number>();
  for (const { change } of changes) {
    identifiers.add(change.identifier);
    if (change.identityId !== undefined) ids.add(change.identityId);
  }
  return lockIdentities(tx, environmentId, [...identifiers], [...ids]);
}

function fail(message: string): never {
  throw new RollcallError('INTERNAL', message);
}

async function groupByEnvironment(
  tx: Sql,
  changes: readonly EnvironmentChange[],
): Promise<[Environment, EnvironmentChange[]][]> {
  const byKey = new Map<string, EnvironmentChange[]>();
  for (const change of changes) {
    const own = byKey.get(change.environmentKey);
    if (own === undefined) byKey.set(change.environmentKey, [change]);
    else own.push(change);
  }
  const groups: [Environment, EnvironmentChange[]][] = [];
  for (const [key, own] of byKey) {
    const environment = await findEnvironment(tx, key);
    if (environment === undefined) {
      throw new RollcallError('ENVIRONMENT_NOT_FOUND', `the environment '${key}' does not exist`, {
        metadata: { environment: key, index: String(own[0]?.index ?? 0) },
      });
    }
    groups.push([environment, own]);
  }
  return groups.sort(([a], [b]) => a.id - b.id);
}

function checkIds(environment: Environment, changes: readonly NumberedChange[]): void {
  if (environment.ordinalMode === 'given') return;
  const wrong = changes.find(({ change }) => change.identityId !== undefined);
  if (wrong === undefined) return;
  throw new RollcallError(
    'IDENTITY_ID_NOT_ALLOWED',
    'this environment allots ordinals itself: a change must not bring an id',
    {
      metadata: { index: String(wrong.index), environment: environment.key },
    },
  );
}

/** Identifiers that the batch may create: not live, and not only deleted. */
function missing(rows: readonly LockedIdentity[], changes: readonly NumberedChange[]): string[] {
  const live = new Set(rows.filter(({ isLive }) => isLive).map(({ identifier }) => identifier));
  const absent = new Set<string>();
  for (const { change } of changes)
    if (change.kind !== 'delete' && !live.has(change.identifier)) absent.add(change.identifier);
  return [...absent];
}
