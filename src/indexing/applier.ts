import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { RollcallError } from '../core/errors.js';
import { encodeFlips, FlipCollector, type RevisionFlips } from '../core/flips.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { isTransactionConflict } from '../storage/database-errors.js';
import {
  allotOrdinals,
  type Environment,
  findEnvironments,
  readHeads,
  replacePayload,
  takeRevision,
  type TakenRevision,
  takeRevisions,
  type WantedRevision,
} from '../storage/environments.js';
import { deleteIdentities, lockWriters } from '../storage/identities.js';
import { mendQuarantine, quarantinedEnvironments } from '../storage/quarantine.js';
import { prepare, type Prepared } from './prepare-batch.js';
import { prepareTogether, type Share } from './prepare-together.js';
import { coalesce, type NumberedChange } from './working-set.js';
import { IdentityRace } from './write-rows.js';
import { type SeenRevision, WriterCatalog } from './writer-catalog.js';

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

/** A change that was left out of its batch, and why. */
export interface RefusedChange extends EnvironmentChange {
  readonly error: RollcallError;
}

/** An environment and its changes of a batch. */
type Group = readonly [Environment, readonly EnvironmentChange[]];

/** How a batch is applied that comes with work of its own. */
export interface ApplyOptions {
  /**
   * Runs last in the batch's transaction, after every head is taken. What it throws rolls everything back. It runs again where the transaction does. With
   * it, changes that cannot be applied are left out, by index, rather than refusing the batch.
   */
  readonly alongside: (tx: Sql, refused: readonly RefusedChange[]) => Promise<void>;
}

/** Times that a batch is tried where other writers change the same identities at the same time. */
const MAX_ATTEMPTS = 20;
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 500;
/** How long batches read under locks after a conflict: where writers overlap, the next ones would as well. */
const CONTENDED_MS = 2_000;
const MAX_CONTENDED = 10_000;
/** Atoms of all the environments that are kept; more are in use in turn. A catalog without any counts as some, too. */
const MAX_KEPT_ATOMS = 200_000;
const CATALOG_WEIGHT = 10;
/** Changes of an environment that are prepared together with those of others, and how many changes at once. */
const MAX_SMALL_SHARE = 50;
const MAX_TOGETHER = 250;

/**
 * Applies batches of changes, each in one transaction: identity rows and log row commit together or not at all (I2). Locks are taken in one
 * order: for each environment identity rows by identifier, then new identities by identifier; then heads by environment. Old values are read ahead, without locks, and
 * what is written names the versions that were read: a row that was changed in between, or a deadlock, makes the batch start again. Then, and for a while after, batches
 * of that environment read under locks, one at a time.
 */
export class Applier {
  readonly #database: Database;
  readonly #onCommitted: (revision: CommittedRevision) => void;
  /** Environments, by key, in which writers were lately in each other's way. */
  readonly #contended = new LRUCache<string, true>({ max: MAX_CONTENDED, ttl: CONTENDED_MS });
  readonly #catalogs = new LRUCache<number, WriterCatalog>({ maxSize: MAX_KEPT_ATOMS });

  constructor(database: Database, onCommitted: (revision: CommittedRevision) => void) {
    this.#database = database;
    this.#onCommitted = onCommitted;
  }

  /**
   * Applies a batch. Without options it is applied whole or not at all, and errors that name a change carry its `index`; with them, changes that cannot be
   * applied are left out.
   */
  async apply(changes: readonly EnvironmentChange[], options?: ApplyOptions): Promise<AppliedBatch> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#applyOnce(changes, options);
      } catch (error) {
        const isConflict = error instanceof IdentityRace || isTransactionConflict(error);
        if (!isConflict || attempt === MAX_ATTEMPTS) throw error;
        for (const { environmentKey } of changes) this.#contended.set(environmentKey, true);
      }
      await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt));
    }
  }

  async #applyOnce(changes: readonly EnvironmentChange[], options: ApplyOptions | undefined): Promise<AppliedBatch> {
    const committed: CommittedRevision[] = [];
    const revisions = new Map<string, number>();
    const prepared = await inTransaction(this.#database, { isolation: 'read committed', retries: 0 }, async (tx) => {
      committed.length = 0;
      revisions.clear();
      const { groups, homeless } = await groupByEnvironment(tx, changes);
      if (options === undefined && homeless[0] !== undefined) throw homeless[0].error;
      const [parts, quarantined] = await Promise.all([
        this.#prepareAll(tx, groups, options === undefined),
        quarantinedEnvironments(
          tx,
          groups.map(([{ id }]) => id),
        ),
      ]);
      committed.push(...(await this.#takeRevisions(tx, parts)));
      // After the heads, as what skips changes does.
      for (const [{ id }, own] of groups) if (quarantined.has(id)) await mendQuarantine(tx, id, wholeStates(own));
      for (const [key, revision] of await revisionsOf(tx, parts, committed)) revisions.set(key, revision);
      await options?.alongside(
        tx,
        [...homeless, ...parts.flatMap(refusedOf)].sort((a, b) => a.index - b.index),
      );
      return parts;
    });
    for (const revision of committed) this.#catalogs.get(revision.environmentId)?.see(revision);
    committed.forEach(this.#onCommitted);
    return { revisions, unchanged: prepared.reduce((sum, part) => sum + part.unchanged, 0) };
  }

  /** In order of the environments: small shares together, others each by itself. */
  async #prepareAll(tx: Sql, groups: readonly Group[], isWhole: boolean): Promise<Prepared[]> {
    const parts: Prepared[] = [];
    for (const run of this.#runsOf(groups)) {
      const [first] = run;
      if (first === undefined) continue;
      if (run.length === 1) parts.push(await this.#prepare(tx, first, isWhole));
      else {
        const shares = run.map((group) => this.#shareOf(group));
        parts.push(...(await prepareTogether(tx, shares, { reader: this.#database.sql, isWhole })));
      }
    }
    return parts;
  }

  #runsOf(groups: readonly Group[]): Group[][] {
    const runs: Group[][] = [];
    let room = 0;
    for (const group of groups) {
      const [environment, own] = group;
      const isSmall = own.length <= MAX_SMALL_SHARE && environment.ordinalMode === 'allotted';
      const isTogether = isSmall && !this.#contended.has(environment.key);
      if (isTogether && own.length <= room) runs.at(-1)?.push(group);
      else runs.push([group]);
      room = !isTogether ? 0 : own.length <= room ? room - own.length : MAX_TOGETHER - own.length;
    }
    return runs;
  }

  async #prepare(tx: Sql, group: Group, isWhole: boolean): Promise<Prepared> {
    const { environment, changes, catalog, allot } = this.#shareOf(group);
    const isLocking = this.#contended.has(environment.key);
    if (isLocking) await lockWriters(tx, environment.id);
    const reader = isLocking ? undefined : this.#database.sql;
    return prepare(tx, environment, changes, { catalog, allot, isWhole, reader });
  }

  #shareOf([environment, changes]: Group): Share {
    const allot = (count: number): Promise<number> => allotOrdinals(this.#database.sql, environment.id, count);
    return { environment, changes, catalog: this.#catalog(environment), allot };
  }

  /** Takes the revisions of what was prepared, where it changed anything: every head is taken before anything else is done under them. */
  async #takeRevisions(tx: Sql, parts: readonly Prepared[]): Promise<CommittedRevision[]> {
    const changed = parts
      .filter(({ isChanged }) => isChanged)
      .map((prepared) => ({ prepared, seen: prepared.catalog.seen }));
    const wanted = changed.map(({ prepared: { environment, flips }, seen }): WantedRevision => ({
      environmentId: environment.id,
      payload: encodeFlips(flips),
      known: seen.revision,
    }));
    const heads = new Map((await takeHeads(tx, wanted)).map((head) => [head.environmentId, head]));
    const committed: CommittedRevision[] = [];
    for (const { prepared, seen } of changed) {
      const head = heads.get(prepared.environment.id);
      if (head !== undefined) committed.push(await this.#finish(tx, prepared, head, seen));
    }
    return committed;
  }

  /** Under the head's lock a catalog that moved is loaded and the differences are found again. */
  async #finish(tx: Sql, prepared: Prepared, head: TakenRevision, seen: SeenRevision): Promise<CommittedRevision> {
    const { environment, catalog, parts, deleted } = prepared;
    let { flips } = prepared;
    const isCurrent = catalog.isCurrent(head, seen);
    if (!isCurrent) {
      await catalog.load(tx);
      this.#keep(environment.id, catalog);
    }
    if (!isCurrent || catalog.loads !== prepared.catalogLoad) {
      const again = new FlipCollector();
      for (const part of parts) catalog.collectFlips(coalesce(environment, part).changed, again);
      flips = again.finish(false);
      await replacePayload(tx, head, encodeFlips(flips));
    }
    await deleteIdentities(tx, environment.id, deleted, head.revision);
    return { environmentId: environment.id, revision: head.revision, committedAt: head.committedAt, flips };
  }

  #catalog(environment: Environment): WriterCatalog {
    const catalog = this.#catalogs.get(environment.id) ?? new WriterCatalog(environment);
    this.#keep(environment.id, catalog);
    return catalog;
  }

  #keep(environmentId: number, catalog: WriterCatalog): void {
    this.#catalogs.set(environmentId, catalog, { size: Math.min(MAX_KEPT_ATOMS, catalog.size + CATALOG_WEIGHT) });
  }
}

function refusedOf({ environment, refused }: Prepared): RefusedChange[] {
  return refused.map((change) => ({ ...change, environmentKey: environment.key }));
}

/** The changes by environment, in the order in which environments are locked, and those of environments that do not exist. */
async function groupByEnvironment(
  tx: Sql,
  changes: readonly EnvironmentChange[],
): Promise<{ readonly groups: readonly Group[]; readonly homeless: RefusedChange[] }> {
  const byKey = new Map<string, EnvironmentChange[]>();
  for (const change of changes) {
    const own = byKey.get(change.environmentKey);
    if (own === undefined) byKey.set(change.environmentKey, [change]);
    else own.push(change);
  }
  const groups = (await findEnvironments(tx, [...byKey.keys()])).map((environment): Group => {
    const own = byKey.get(environment.key) ?? [];
    byKey.delete(environment.key);
    return [environment, own];
  });
  const homeless = [...byKey.values()].flat().map((change) => ({ ...change, error: unknownEnvironment(change) }));
  return { groups, homeless };
}

/** Takes heads in the order of their ids. */
async function takeHeads(tx: Sql, wanted: readonly WantedRevision[]): Promise<TakenRevision[]> {
  const [first, second] = wanted;
  if (first === undefined) return [];
  if (second !== undefined) return takeRevisions(tx, wanted);
  return [await takeRevision(tx, first.environmentId, first.payload, false, first.known)];
}

/** The revision by which each environment shows the batch: its newest where the batch changed nothing there. */
async function revisionsOf(
  tx: Sql,
  parts: readonly Prepared[],
  committed: readonly CommittedRevision[],
): Promise<Map<string, number>> {
  const unchanged = parts.filter(({ isChanged }) => !isChanged).map(({ environment }) => environment.id);
  const heads = unchanged.length === 0 ? [] : await readHeads(tx, unchanged);
  const byId = new Map([...heads, ...committed].map(({ environmentId, revision }) => [environmentId, revision]));
  return new Map(parts.map(({ environment }) => [environment.key, byId.get(environment.id) ?? 0]));
}

function unknownEnvironment({ environmentKey, index }: EnvironmentChange): RollcallError {
  return new RollcallError('ENVIRONMENT_NOT_FOUND', `the environment '${environmentKey}' does not exist`, {
    metadata: { environment: environmentKey, index: String(index) },
  });
}

/** What brings a full state mends an identity of which an earlier change was skipped. */
function wholeStates(changes: readonly NumberedChange[]): string[] {
  const whole = changes.filter(({ change }) => change.kind !== 'set_traits');
  return [...new Set(whole.map(({ change }) => change.identifier))];
}
