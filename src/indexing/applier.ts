import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { RollcallError } from '../core/errors.js';
import { encodeFlips, FlipCollector, type RevisionFlips } from '../core/flips.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { isTransactionConflict } from '../storage/database-errors.js';
import {
  allotOrdinals,
  type Environment,
  findEnvironment,
  readHead,
  replacePayload,
  takeRevision,
} from '../storage/environments.js';
import { deleteIdentities, lockWriters } from '../storage/identities.js';
import { isAnyQuarantined, mendQuarantine } from '../storage/quarantine.js';
import { prepare, type Prepared } from './prepare-batch.js';
import { coalesce, type NumberedChange } from './working-set.js';
import { IdentityRace } from './write-rows.js';
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
  readonly alongside: (tx: Sql, refused: readonly RefusedChange[]) => Promise<void>;
}

/** What a batch does to one environment. `mended` are the identities of which it brings a full state, where any is quarantined. */
interface Share {
  readonly prepared: Prepared;
  readonly mended: readonly string[];
}

/** Times that a batch is tried where other writers change the same identities at the same time. */
const MAX_ATTEMPTS = 20;
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 500;
/** How long batches read under locks after a conflict: where writers overlap, the next ones would as well. */
const CONTENDED_MS = 2_000;
const MAX_CONTENDED = 10_000;
/** Environments whose atoms are kept; more are in use in turn. */
const MAX_CATALOGS = 1_000;

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
  readonly #catalogs = new LRUCache<number, WriterCatalog>({ max: MAX_CATALOGS });

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
      const shares: Share[] = [];
      for (const [environment, own] of groups)
        shares.push(await this.#prepare(tx, environment, own, options === undefined));
      const parts = shares.map(({ prepared }) => prepared);
      for (const share of shares) {
        const { environment } = share.prepared;
        const revision = await this.#finish(tx, share);
        if (revision !== undefined) committed.push(revision);
        revisions.set(environment.key, revision?.revision ?? (await readHead(tx, environment.id))?.revision ?? 0);
      }
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

  async #prepare(
    tx: Sql,
    environment: Environment,
    changes: readonly NumberedChange[],
    isWhole: boolean,
  ): Promise<Share> {
    const isLocking = this.#contended.has(environment.key);
    if (isLocking) await lockWriters(tx, environment.id);
    const reader = isLocking ? undefined : this.#database.sql;
    const allot = (count: number): Promise<number> => allotOrdinals(this.#database.sql, environment.id, count);
    const catalog = this.#catalog(environment);
    const [prepared, isMending] = await Promise.all([
      prepare(tx, environment, changes, { catalog, allot, isWhole, reader }),
      isAnyQuarantined(tx, environment.id),
    ]);
    return { prepared, mended: isMending ? wholeStates(changes) : [] };
  }

  /** Takes the environment's revision, then ends quarantines: as what skips changes does, after the head. */
  async #finish(tx: Sql, { prepared, mended }: Share): Promise<CommittedRevision | undefined> {
    const revision = await this.#takeRevision(tx, prepared);
    await mendQuarantine(tx, prepared.environment.id, mended);
    return revision;
  }

  /** Takes the revision of what was prepared, if it changed anything. Under the head's lock a catalog that moved is loaded and the differences are found again. */
  async #takeRevision(tx: Sql, prepared: Prepared): Promise<CommittedRevision | undefined> {
    if (!prepared.isChanged) return undefined;
    const { environment, catalog, parts, deleted } = prepared;
    let { flips } = prepared;
    const { seen } = catalog;
    const head = await takeRevision(tx, environment.id, encodeFlips(flips), false, seen.revision);
    const isCurrent = catalog.isCurrent(head, seen);
    if (!isCurrent) await catalog.load(tx);
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
    this.#catalogs.set(environment.id, catalog);
    return catalog;
  }
}

function refusedOf({ environment, refused }: Prepared): RefusedChange[] {
  return refused.map((change) => ({ ...change, environmentKey: environment.key }));
}

/** The changes by environment, in the order in which environments are locked, and those of environments that do not exist. */
async function groupByEnvironment(
  tx: Sql,
  changes: readonly EnvironmentChange[],
): Promise<{ readonly groups: [Environment, EnvironmentChange[]][]; readonly homeless: RefusedChange[] }> {
  const byKey = new Map<string, EnvironmentChange[]>();
  for (const change of changes) {
    const own = byKey.get(change.environmentKey);
    if (own === undefined) byKey.set(change.environmentKey, [change]);
    else own.push(change);
  }
  const groups: [Environment, EnvironmentChange[]][] = [];
  const homeless: RefusedChange[] = [];
  for (const [key, own] of byKey) {
    const environment = await findEnvironment(tx, key);
    if (environment !== undefined) groups.push([environment, own]);
    else homeless.push(...own.map((change) => ({ ...change, error: unknownEnvironment(change) })));
  }
  return { groups: groups.sort(([a], [b]) => a.id - b.id), homeless };
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
