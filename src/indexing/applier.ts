import { RollcallError } from '../core/errors.js';
import { encodeFlips, FlipCollector, type RevisionFlips } from '../core/flips.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import {
  allotOrdinals,
  type Environment,
  findEnvironment,
  readHead,
  replacePayload,
  takeRevision,
} from '../storage/environments.js';
import { deleteIdentities } from '../storage/identities.js';
import { isAnyQuarantined, mendQuarantine } from '../storage/quarantine.js';
import { prepare, type Preparation, type Prepared } from './prepare-batch.js';
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

/** Times that a batch is tried where other writers change the same identities at the same time. */
const MAX_ATTEMPTS = 20;

/**
 * Applies batches of changes, each in one transaction: identity rows and log row commit together or not at all (I2). Locks are taken in one
 * order: identity rows by environment and identifier, then heads by environment. Old values are read ahead, without locks, and what is
 * written names the versions that were read: a row that was changed in between makes the batch start again, then reading under locks.
 */
export class Applier {
  readonly #database: Database;
  readonly #onCommitted: (revision: CommittedRevision) => void;
  readonly #catalogs = new Map<number, WriterCatalog>();

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
        return await this.#applyOnce(changes, options, attempt > 1);
      } catch (error) {
        if (!(error instanceof IdentityRace) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  async #applyOnce(
    changes: readonly EnvironmentChange[],
    options: ApplyOptions | undefined,
    isLocking: boolean,
  ): Promise<AppliedBatch> {
    const how = { isWhole: options === undefined, reader: isLocking ? undefined : this.#database.sql };
    const committed: CommittedRevision[] = [];
    const revisions = new Map<string, number>();
    const prepared = await inTransaction(this.#database, { isolation: 'read committed' }, async (tx) => {
      committed.length = 0;
      revisions.clear();
      const { groups, homeless } = await groupByEnvironment(tx, changes);
      if (options === undefined && homeless[0] !== undefined) throw homeless[0].error;
      const parts: Prepared[] = [];
      for (const [environment, own] of groups) parts.push(await this.#prepare(tx, environment, own, how));
      for (const part of parts) {
        const revision = await this.#takeRevision(tx, part);
        if (revision !== undefined) committed.push(revision);
        revisions.set(
          part.environment.key,
          revision?.revision ?? (await readHead(tx, part.environment.id))?.revision ?? 0,
        );
      }
      await options?.alongside(
        tx,
        [...homeless, ...parts.flatMap(refusedOf)].sort((a, b) => a.index - b.index),
      );
      return parts;
    });
    committed.forEach(this.#onCommitted);
    return { revisions, unchanged: prepared.reduce((sum, part) => sum + part.unchanged, 0) };
  }

  async #prepare(
    tx: Sql,
    environment: Environment,
    changes: readonly NumberedChange[],
    how: Pick<Preparation, 'isWhole' | 'reader'>,
  ): Promise<Prepared> {
    const allot = (count: number): Promise<number> => allotOrdinals(this.#database.sql, environment.id, count);
    const mending = mend(tx, environment.id, changes);
    // What fails first is what is told.
    mending.catch(() => undefined);
    const prepared = await prepare(tx, environment, changes, { catalog: this.#catalog(environment), allot, ...how });
    await mending;
    return prepared;
  }

  /** Takes the revision of what was prepared, if it changed anything. Under the head's lock a catalog that moved is loaded and the differences are found again. */
  async #takeRevision(tx: Sql, prepared: Prepared): Promise<CommittedRevision | undefined> {
    if (!prepared.isChanged) return undefined;
    const { environment, catalog, parts, deleted } = prepared;
    let { flips } = prepared;
    const head = await takeRevision(tx, environment.id, encodeFlips(flips), false);
    if (head.catalogRevision !== prepared.catalogRevision) {
      await catalog.load(tx);
      const again = new FlipCollector();
      for (const part of parts) catalog.collectFlips(coalesce(environment, part).changed, again);
      flips = again.finish(false);
      await replacePayload(tx, head, encodeFlips(flips));
    }
    await deleteIdentities(tx, environment.id, deleted, head.revision);
    return { environmentId: environment.id, revision: head.revision, committedAt: head.committedAt, flips };
  }

  #catalog(environment: Environment): WriterCatalog {
    let catalog = this.#catalogs.get(environment.id);
    if (catalog === undefined) this.#catalogs.set(environment.id, (catalog = new WriterCatalog(environment)));
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
async function mend(tx: Sql, environmentId: number, changes: readonly NumberedChange[]): Promise<void> {
  if (!(await isAnyQuarantined(tx, environmentId))) return;
  const whole = changes.filter(({ change }) => change.kind !== 'set_traits');
  await mendQuarantine(tx, environmentId, [...new Set(whole.map(({ change }) => change.identifier))]);
}
