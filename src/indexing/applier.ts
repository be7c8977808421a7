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

  #prepare(tx: Sql, environment: Environment, changes: readonly NumberedChange[]): Promise<Prepared> {
    const allot = (count: number): Promise<number> => allotOrdinals(this.#database.sql, environment.id, count);
    return prepare(tx, environment, changes, { catalog: this.#catalog(environment), allot });
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
