import { randomUUID } from 'node:crypto';
import pLimit, { type LimitFunction } from 'p-limit';
import { postponeBuild, releaseAtom, type UnleasedAtom } from '../storage/atoms.js';
import type { Database } from '../storage/database.js';
import type { Environment } from '../storage/environments.js';
import type { CommittedRevision } from './applier.js';
import { buildAtom, RANGES_AT_ONCE } from './build.js';
import { rebuildOutdatedAtom } from './catalog-writer.js';

/** How a process builds, and whom it tells. */
export interface BuildsOptions {
  readonly rangeChunks: number;
  readonly replayMaxBytes: number;
  readonly onCommitted: (revision: CommittedRevision) => void;
  /** Told how long each build took that ended well. */
  readonly onBuilt: (durationMs: number) => void;
  readonly onError: (error: unknown) => void;
}

const LEASE_MS = 60_000;
/** A long one does not keep a short one waiting. */
const CONCURRENT_BUILDS = 2;
/** Of the connections for transactions, what builds read by: appliers and readers need the others. */
const READING_SHARE = 1 / 2;
const FIRST_POSTPONEMENT_MS = 1_000;
const LONGEST_POSTPONEMENT_MS = 60_000;

/** The builds of one process. One that fails is left alone for a while, by every process, so that others have their turn. */
export class Builds {
  /** Who holds the leases: unique among processes. */
  readonly owner = randomUUID();
  readonly #database: Database;
  readonly #options: BuildsOptions;
  readonly #stopping = new AbortController();
  readonly #limitBuilds = pLimit(CONCURRENT_BUILDS);
  readonly #limitReads: LimitFunction;
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, number>();

  constructor(database: Database, options: BuildsOptions) {
    this.#database = database;
    this.#options = options;
    const share = Math.floor(database.leases.limit * READING_SHARE);
    this.#limitReads = pLimit(Math.max(1, Math.min(RANGES_AT_ONCE, share)));
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Begins to build an atom, unless that is going on. */
  start(environment: Environment, atom: UnleasedAtom): void {
    const key = `${atom.environmentId}:${atom.atomId}`;
    if (this.#running.has(key) || this.#isStopping) return;
    const building = this.#limitBuilds(async () => (this.#isStopping ? undefined : this.#build(environment, atom)))
      .then(() => void this.#failures.delete(key))
      .catch((error: unknown) => this.#postpone(key, atom, error))
      .finally(() => this.#running.delete(key));
    this.#running.set(key, building);
  }

  /** Ends what is under way at its next step; a build goes on elsewhere from there, at once. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running.values());
  }

  async #build(environment: Environment, { atomId, isOutdated }: UnleasedAtom): Promise<void> {
    const { signal } = this.#stopping;
    const { rangeChunks, replayMaxBytes, onCommitted, onBuilt } = this.#options;
    const reset = isOutdated ? await rebuildOutdatedAtom(this.#database, environment, atomId) : undefined;
    if (reset !== undefined) onCommitted(reset);
    const startedAt = performance.now();
    const how = { owner: this.owner, leaseMs: LEASE_MS, rangeChunks, replayMaxBytes, signal };
    const built = await buildAtom(this.#database, environment, atomId, { ...how, limitReads: this.#limitReads });
    if (built !== undefined) {
      onBuilt(performance.now() - startedAt);
      onCommitted(built);
    } else if (this.#isStopping) await releaseAtom(this.#database.sql, environment.id, atomId, this.owner);
  }

  async #postpone(key: string, { environmentId, atomId }: UnleasedAtom, error: unknown): Promise<void> {
    this.#options.onError(error);
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const forMs = Math.min(LONGEST_POSTPONEMENT_MS, FIRST_POSTPONEMENT_MS * 2 ** failures);
    await postponeBuild(this.#database.sql, environmentId, atomId, this.owner, forMs).catch(this.#options.onError);
  }
}
