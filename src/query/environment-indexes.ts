import { RollcallError } from '../core/errors.js';
import { touchAtoms } from '../storage/atoms.js';
import type { Database } from '../storage/database.js';
import { type Environment, findEnvironment, readHeads } from '../storage/environments.js';
import { EnvironmentIndex, type IndexOptions, type RevisionNews } from './environment-index.js';

/** How the indexes of a process are kept. */
export interface IndexesOptions extends IndexOptions {
  readonly pollIntervalMs: number;
  /** How often the atoms that were asked for are noted in the database, so that those of drafts in use do not expire. */
  readonly touchIntervalMs: number;
  /** Told of errors while following, which reads get over by themselves. */
  readonly onError: (error: unknown) => void;
}

/** An environment that nobody asks for is no longer followed after this long: calls that began before have ended by then. */
const UNASKED_MS = 3_600_000;

/** An index that is followed, and when it was last asked for. */
interface Followed {
  readonly index: EnvironmentIndex;
  askedAtMs: number;
  isAdvancing: boolean;
}

/**
 * The indexes of the environments that are asked for, following the log of each. `run` starts following: by polling, which notifications and
 * this process's own commits only hasten.
 */
export class EnvironmentIndexes {
  readonly #database: Database;
  readonly #options: IndexesOptions;
  readonly #byKey = new Map<string, Followed>();
  readonly #byId = new Map<number, Followed>();
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
    }, this.#options.touchIntervalMs);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#pollTimer);
    clearInterval(this.#touchTimer);
    for (const { index } of this.#byId.values()) index.clear();
    this.#byKey.clear();
    this.#byId.clear();
  }

  /** The index of a live environment. Throws ENVIRONMENT_NOT_FOUND. */
  async get(key: string): Promise<EnvironmentIndex> {
    const known = this.#byKey.get(key);
    if (known !== undefined) return asked(known);
    const environment = await findEnvironment(this.#database.sql, key);
    if (environment === undefined) {
      throw new RollcallError('ENVIRONMENT_NOT_FOUND', `the environment '${key}' does not exist`, {
        metadata: { environment: key },
      });
    }
    const followed = this.#byId.get(environment.id) ?? this.#follow(environment);
    this.#byKey.set(key, followed);
    return asked(followed);
  }

  /** The index of a live environment that is followed already. */
  followed(key: string): EnvironmentIndex | undefined {
    const known = this.#byKey.get(key);
    return known === undefined ? undefined : asked(known);
  }

  /** Those that are followed. */
  *all(): Generator<EnvironmentIndex> {
    for (const { index } of this.#byId.values()) yield index;
  }

  /** A revision that this process committed. */
  offer(environmentId: number, news: RevisionNews): void {
    const index = this.#byId.get(environmentId)?.index;
    if (index === undefined || !index.isLoaded || index.offer(news)) return;
    index.hint(news.revision, this.#options.onError);
  }

  /** A revision that another process says it committed. */
  hint(environmentId: number, revision: number): void {
    const index = this.#byId.get(environmentId)?.index;
    if (index?.isLoaded === true) index.hint(revision, this.#options.onError);
  }

  /** Forgets an environment that is gone. */
  forget(key: string): void {
    const followed = this.#byKey.get(key);
    if (followed !== undefined) this.#unfollow(followed);
  }

  #follow(environment: Environment): Followed {
    const index = new EnvironmentIndex(this.#database, environment, this.#options);
    const followed = { index, askedAtMs: 0, isAdvancing: false };
    this.#byId.set(environment.id, followed);
    return followed;
  }

  /** Leaves another environment that took its key where it is. */
  #unfollow(followed: Followed): void {
    const { key, id } = followed.index.environment;
    if (this.#byKey.get(key) === followed) this.#byKey.delete(key);
    this.#byId.delete(id);
    followed.index.clear();
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

  /** Waits for no environment: one whose read hangs or fails keeps back none of the others. */
  async #poll(): Promise<void> {
    const all = [...this.#byId.values()];
    if (all.length === 0) return;
    const ids = all.map(({ index }) => index.environment.id);
    const heads = new Map((await readHeads(this.#database.sql, ids)).map((head) => [head.environmentId, head]));
    for (const followed of all) {
      const { index, askedAtMs } = followed;
      const head = heads.get(index.environment.id);
      if (head === undefined || performance.now() - askedAtMs > UNASKED_MS) this.#unfollow(followed);
      else if (index.isLoaded && !index.confirm(head)) this.#advance(followed);
    }
  }

  #advance(followed: Followed): void {
    if (followed.isAdvancing) return;
    followed.isAdvancing = true;
    followed.index
      .advance()
      .catch(this.#options.onError)
      .finally(() => {
        followed.isAdvancing = false;
      });
  }

  async #touch(): Promise<void> {
    for (const { index } of this.#byId.values()) {
      const used = index.takeUsedAtoms();
      if (used.length > 0) await touchAtoms(this.#database.sql, index.environment.id, used);
    }
  }
}

function asked(followed: Followed): EnvironmentIndex {
  followed.askedAtMs = performance.now();
  return followed.index;
}
