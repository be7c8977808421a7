import { RollcallError } from '../core/errors.js';
import { touchAtoms } from '../storage/atoms.js';
import type { Database } from '../storage/database.js';
import { findEnvironment, readHeads } from '../storage/environments.js';
import { EnvironmentIndex, type IndexOptions, type RevisionNews } from './environment-index.js';

/** How the indexes of a process are kept. */
export interface IndexesOptions extends IndexOptions {
  readonly pollIntervalMs: number;
  /** Told of errors while following, which reads get over by themselves. */
  readonly onError: (error: unknown) => void;
}

/** How often the atoms that were asked for are noted in the database, so that those of drafts in use do not expire. */
const TOUCH_INTERVAL_MS = 30_000;

/**
 * The indexes of the environments that are asked for, following the log of each. `run` starts following: by polling, which notifications and
 * this process's own commits only hasten.
 */
export class EnvironmentIndexes {
  readonly #database: Database;
  readonly #options: IndexesOptions;
  readonly #byKey = new Map<string, EnvironmentIndex>();
  readonly #byId = new Map<number, EnvironmentIndex>();
  #pollTimer: NodeJS.Timeout | undefined;
  #touchTimer: NodeJS.Timeout | undefined;
  #isStopped = true;

  constructor(database: Database, options: IndexesOptions) {
    this.#database = database;
    this.#options = options;
  }

  run(): void {
    this.#isStopped = false;
    this.#schedulePoll();
    this.#touchTimer = setInterval(() => {
      this.#touch().catch(this.#options.onError);
    }, TOUCH_INTERVAL_MS);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#pollTimer);
    clearInterval(this.#touchTimer);
    for (const index of this.#byId.values()) index.clear();
    this.#byKey.clear();
    this.#byId.clear();
  }

  /** The index of a live environment. Throws ENVIRONMENT_NOT_FOUND. */
  async get(key: string): Promise<EnvironmentIndex> {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const environment = await findEnvironment(this.#database.sql, key);
    if (environment === undefined) {
      throw new RollcallError('ENVIRONMENT_NOT_FOUND', `the environment '${key}' does not exist`, {
        metadata: { environment: key },
      });
    }
    const index = this.#byId.get(environment.id) ?? new EnvironmentIndex(this.#database, environment, this.#options);
    this.#byKey.set(key, index);
    this.#byId.set(environment.id, index);
    return index;
  }

  /** Those that are followed. */
  all(): Iterable<EnvironmentIndex> {
    return this.#byId.values();
  }

  /** A revision that this process committed. */
  offer(environmentId: number, news: RevisionNews): void {
    const index = this.#byId.get(environmentId);
    if (index === undefined || !index.isLoaded || index.offer(news)) return;
    index.hint(news.revision, this.#options.onError);
  }

  /** A revision that another process says it committed. */
  hint(environmentId: number, revision: number): void {
    const index = this.#byId.get(environmentId);
    if (index?.isLoaded === true) index.hint(revision, this.#options.onError);
  }

  /** Forgets an environment that is gone. */
  forget(key: string): void {
    const index = this.#byKey.get(key);
    if (index === undefined) return;
    this.#byKey.delete(key);
    this.#byId.delete(index.environment.id);
    index.clear();
  }

  #schedulePoll(): void {
    if (this.#isStopped) return;
    this.#pollTimer = setTimeout(() => {
      this.#poll()
        .catch(this.#options.onError)
        .finally(() => {
          this.#schedulePoll();
        });
    }, this.#options.pollIntervalMs);
  }

  async #poll(): Promise<void> {
    const followed = [...this.#byId.values()].filter(({ isLoaded }) => isLoaded);
    if (followed.length === 0) return;
    const heads = new Map(
      (
        await readHeads(
          this.#database.sql,
          followed.map(({ environment }) => environment.id),
        )
      ).map((head) => [head.environmentId, head]),
    );
    for (const index of followed) {
      const head = heads.get(index.environment.id);
      if (head === undefined) this.forget(index.environment.key);
      else if (!index.confirm(head)) await index.advance();
    }
  }

  async #touch(): Promise<void> {
    for (const index of this.#byId.values()) {
      const used = index.takeUsedAtoms();
      if (used.length > 0) await touchAtoms(this.#database.sql, index.environment.id, used);
    }
  }
}
