import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { RollcallError } from '../core/errors.js';
import { encodeFlips, FlipCollector, type RevisionFlips } from '../core/flips.js';
import { askDatabase, type Database, inTransaction, type Sql } from '../storage/database.js';
import { isTransactionConflict } from '../storage/database-errors.js';
import {
  allotOrdinals,
  type Environment,
  type EnvironmentAsOf,
  findEnvironmentById,
  readHeads,
  replacePayload,
  takeRevision,
  type TakenRevision,
  takeRevisions,
  type WantedRevision,
} from '../storage/environments.js';
import { notePassedOver } from '../storage/environment-gates.js';
import { deleteIdentities, lockWriters } from '../storage/identities.js';
import { mendQuarantine, quarantinedEnvironments } from '../storage/quarantine.js';
import { isAnyTaken, leaveTouches } from './batch-touches.js';
import { type Group, groupByEnvironment } from './group-batch.js';
import { prepare, type Prepared } from './prepare-batch.js';
import { expectedOf, type NewIdentities, prepareNew, writeNew } from './prepare-new.js';
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

/** What a batch did: the revision by which each environment shows it, how many of its changes changed nothing, and how many were passed over. */
export interface AppliedBatch {
  readonly revisions: ReadonlyMap<string, number>;
  readonly unchanged: number;
  readonly passedOver: number;
}

/** A change that was left out of its batch, and why. */
export interface RefusedChange extends EnvironmentChange {
  readonly error: RollcallError;
}

/** How a batch is applied that comes with work of its own. */
export interface ApplyOptions {
  /**
   * Runs last in the batch's transaction, after every head is taken. What it throws rolls everything back. It runs again where the transaction does. With
   * it, changes that cannot be applied are left out, by index, rather than refusing the batch.
   */
  readonly alongside: (tx: Sql, refused: readonly RefusedChange[], outcome: BatchOutcome) => Promise<void>;
  /** Changes of environments that are off are passed over, which is noted there; else they cannot be applied. */
  readonly passesOver?: boolean;
  /**
   * Makes the batch a backfill's: it leaves no touches and mends no quarantine. Called for each environment before anything is read of it, whenever the transaction runs: what of the changes is to
   * be applied.
   */
  readonly choose?: (
    tx: Sql,
    environment: Environment,
    changes: readonly EnvironmentChange[],
  ) => Promise<readonly EnvironmentChange[]>;
  /** What `prepareNew` made of the same changes: tried so first, which is faster where they are new. */
  readonly expected?: NewIdentities | undefined;
  /** Called when the rows of `expected` are on their way: until Postgres has them this process has time for something else. */
  readonly onSent?: () => void;
}

/** What a batch's transaction has done so far. */
export interface BatchOutcome {
  readonly prepared: readonly Prepared[];
  readonly committed: readonly CommittedRevision[];
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
    if (options?.expected !== undefined) {
      try {
        return await this.#applyOnce(changes, options);
      } catch (error) {
        if (!(error instanceof IdentityRace || isTransactionConflict(error))) throw error;
      }
    }
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#applyOnce(changes, options === undefined ? undefined : { ...options, expected: undefined });
      } catch (error) {
        const isConflict = error instanceof IdentityRace || isTransactionConflict(error);
        if (!isConflict || attempt === MAX_ATTEMPTS) throw error;
        for (const { environmentKey } of changes) this.#contended.set(environmentKey, true);
      }
      await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt));
    }
  }

  /** Prepares a batch of one environment's identities that are expected to be new, ahead of `apply`, which may find otherwise: then their ordinals are never used. */
  async prepareNew(environment: Environment, changes: readonly EnvironmentChange[]): Promise<NewIdentities> {
    return prepareNew(environment, changes, {
      catalog: this.#catalog(environment),
      allot: (count) => askDatabase(this.#database, (sql) => allotOrdinals(sql, environment.id, count)),
    });
  }

  async #applyOnce(changes: readonly EnvironmentChange[], options: ApplyOptions | undefined): Promise<AppliedBatch> {
    const committed: CommittedRevision[] = [];
    const revisions = new Map<string, number>();
    const { parts, passedOver } = await inTransaction(
      this.#database,
      { isolation: 'read committed', retries: 0 },
      async (tx) => {
        committed.length = 0;
        revisions.clear();
        const { groups, refused, off, passedOver } = await groupByEnvironment(
          tx,
          changes,
          options?.passesOver ?? false,
        );
        if (options === undefined && refused[0] !== undefined) throw refused[0].error;
        const [parts, quarantined] = await Promise.all([
          this.#prepareAll(tx, groups, options),
          quarantinedEnvironments(
            tx,
            groups.map(([{ id }]) => id),
          ),
        ]);
        const isLive = options?.choose === undefined;
        const environments = new Map(groups.map(([environment]) => [environment.id, environment]));
        committed.push(...(await this.#takeRevisions(tx, parts, environments, isLive)));
        // After the heads, as what skips changes does.
        if (isLive)
          for (const [{ id }, own] of groups) if (quarantined.has(id)) await mendQuarantine(tx, id, wholeStates(own));
        for (const [key, revision] of await revisionsOf(tx, parts, committed, isLive ? environments : undefined))
          revisions.set(key, revision);
        const whole = off.filter(({ hasGap }) => !hasGap).map(({ id }) => id);
        if (!(await notePassedOver(tx, whole))) throw new IdentityRace();
        await options?.alongside(
          tx,
          [...refused, ...parts.flatMap(refusedOf)].sort((a, b) => a.index - b.index),
          { prepared: parts, committed },
        );
        return { parts, passedOver };
      },
    );
    for (const revision of committed) this.#catalogs.get(revision.environmentId)?.see(revision);
    committed.forEach(this.#onCommitted);
    const unchanged = parts.reduce((sum, part) => sum + part.unchanged, 0);
    return { revisions, unchanged, passedOver };
  }

  /** In order of the environments: small shares together, others each by itself. */
  async #prepareAll(tx: Sql, groups: readonly Group[], options: ApplyOptions | undefined): Promise<Prepared[]> {
    const parts: Prepared[] = [];
    for (const run of options?.choose === undefined ? this.#runsOf(groups) : groups.map((group) => [group])) {
      const [first] = run;
      if (first === undefined) continue;
      if (run.length === 1) parts.push(await this.#prepare(tx, first, options));
      else {
        const shares = run.map((group) => this.#shareOf(group));
        const how = { reader: this.#database.sql, isWhole: options === undefined };
        parts.push(...(await prepareTogether(tx, shares, how)));
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

  async #prepare(tx: Sql, group: Group, options: ApplyOptions | undefined): Promise<Prepared> {
    const { environment, changes: received, catalog, allot } = this.#shareOf(group);
    const isLocking = this.#contended.has(environment.key);
    if (isLocking) await lockWriters(tx, environment.id);
    const changes = (await options?.choose?.(tx, environment, group[1])) ?? received;
    const expected = options?.expected;
    const own = expected === undefined ? undefined : await expectedOf(expected, environment, changes);
    if (own !== undefined) return writeNew(tx, environment, own, options?.onSent ?? (() => undefined));
    const reader = isLocking ? undefined : this.#database.sql;
    return prepare(tx, environment, changes, { catalog, allot, isWhole: options === undefined, reader });
  }

  #shareOf([environment, changes]: Group): Share {
    const allot = (count: number): Promise<number> => allotOrdinals(this.#database.sql, environment.id, count);
    return { environment, changes, catalog: this.#catalog(environment), allot };
  }

  /** Takes the revisions of what was prepared, where it changed anything: every head is taken before anything else is done under them. */
  async #takeRevisions(
    tx: Sql,
    parts: readonly Prepared[],
    environments: ReadonlyMap<number, EnvironmentAsOf>,
    isLive: boolean,
  ): Promise<CommittedRevision[]> {
    const changed = parts
      .filter((part) => part.isChanged || (isLive && part.environment.backfillId !== null && isAnyTaken(part)))
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
      if (head === undefined) continue;
      committed.push(await this.#finish(tx, prepared, head, seen));
      if (isLive) await touch(tx, prepared, head, environments.get(head.environmentId));
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

/** Takes heads in the order of their ids. */
async function takeHeads(tx: Sql, wanted: readonly WantedRevision[]): Promise<TakenRevision[]> {
  const [first, second] = wanted;
  if (first === undefined) return [];
  if (second !== undefined) return takeRevisions(tx, wanted);
  return [await takeRevision(tx, first.environmentId, first.payload, false, first.known)];
}

/** Under the head: what the batch touched, for the backfill that is active by now. */
async function touch(
  tx: Sql,
  prepared: Prepared,
  { environmentId, revision, catalogRevision }: TakenRevision,
  read: EnvironmentAsOf | undefined,
): Promise<void> {
  const isCurrent = read?.catalogRevision === catalogRevision;
  const now = isCurrent ? read : await findEnvironmentById(tx, environmentId);
  const backfillId = now?.backfillId ?? null;
  if (backfillId !== null && !(await leaveTouches(tx, prepared, backfillId, revision))) throw new IdentityRace();
}

/**
 * The revision by which each environment shows the batch: its newest where the batch changed nothing there. Of live batches `environments` are as they were read: where a backfill may
 * have begun since, what changes nothing has to be told to it, and the batch starts again.
 */
async function revisionsOf(
  tx: Sql,
  parts: readonly Prepared[],
  committed: readonly CommittedRevision[],
  environments: ReadonlyMap<number, EnvironmentAsOf> | undefined,
): Promise<Map<string, number>> {
  const taken = new Set(committed.map(({ environmentId }) => environmentId));
  const unchanged = parts.map(({ environment }) => environment.id).filter((id) => !taken.has(id));
  const heads = unchanged.length === 0 ? [] : await readHeads(tx, unchanged);
  const isMoved = heads.some(
    ({ environmentId, catalogRevision }) => environments?.get(environmentId)?.catalogRevision !== catalogRevision,
  );
  if (environments !== undefined && isMoved) throw new IdentityRace();
  const byId = new Map([...heads, ...committed].map(({ environmentId, revision }) => [environmentId, revision]));
  return new Map(parts.map(({ environment }) => [environment.key, byId.get(environment.id) ?? 0]));
}

/** What brings a full state mends an identity of which an earlier change was skipped. */
function wholeStates(changes: readonly NumberedChange[]): string[] {
  const whole = changes.filter(({ change }) => change.kind !== 'set_traits');
  return [...new Set(whole.map(({ change }) => change.identifier))];
}
