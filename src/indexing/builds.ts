import { randomUUID } from 'node:crypto';
import pLimit, { type LimitFunction } from 'p-limit';
import { postponeBuild, releaseAtom, type UnleasedAtom } from '../storage/atoms.js';
import type { Database } from '../storage/database.js';
import type { Environment } from '../storage/environments.js';
import type { CommittedRevision } from './applier.js';
import { buildAtoms } from './build.js';
import { rebuildOutdatedAtom } from './catalog-writer.js';
import { RANGES_AT_ONCE } from './scan-atoms.js';

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
/** Atoms of one scan: a range of all of them is to be stored long before the lease runs out. */
const MAX_GROUP = 16;
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

  /** Begins to build atoms of one environment, but for those of which that is going on. Those of one column are built in one scan. */
  start(environment: Environment, atoms: readonly UnleasedAtom[]): void {
    if (this.#isStopping) return;
    const groups: UnleasedAtom[][] = [];
    const open = new Map<string, UnleasedAtom[]>();
    for (const atom of atoms) {
      if (this.#running.has(keyOf(atom))) continue;
      // One that failed goes by itself: the others shall not fail with it again.
      const subject = this.#failures.has(keyOf(atom)) ? keyOf(atom) : atom.subject;
      const group = open.get(subject);
      if (group !== undefined && group.length < MAX_GROUP) group.push(atom);
      else {
        const begun = [atom];
        groups.push(begun);
        open.set(subject, begun);
      }
    }
    for (const group of groups) this.#startGroup(environment, group);
  }

  #startGroup(environment: Environment, group: readonly UnleasedAtom[]): void {
    const keys = group.map(keyOf);
    const building = this.#limitBuilds(async () => (this.#isStopping ? undefined : this.#build(environment, group)))
      .then(() => {
        for (const key of keys) this.#failures.delete(key);
      })
      .catch((error: unknown) => this.#postpone(group, error))
      .finally(() => {
        for (const key of keys) this.#running.delete(key);
      });
    for (const key of keys) this.#running.set(key, building);
  }

  /** Ends what is under way at its next step; a build goes on elsewhere from there, at once. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running.values());
  }

  async #build(environment: Environment, group: readonly UnleasedAtom[]): Promise<void> {
    const { signal } = this.#stopping;
    const { rangeChunks, replayMaxBytes, onCommitted, onBuilt } = this.#options;
    for (const { atomId, isOutdated } of group) {
      const reset = isOutdated ? await rebuildOutdatedAtom(this.#database, environment, atomId) : undefined;
      if (reset !== undefined) onCommitted(reset);
    }
    const startedAt = performance.now();
    const limitReads = this.#limitReads;
    const how = { owner: this.owner, leaseMs: LEASE_MS, rangeChunks, replayMaxBytes, signal, limitReads };
    const left = new Set(group.map(({ atomId }) => atomId));
    await buildAtoms(this.#database, environment, [...left], how, (atomId, committed) => {
      left.delete(atomId);
      onBuilt(performance.now() - startedAt);
      onCommitted(committed);
    });
    if (this.#isStopping)
      for (const atomId of left) await releaseAtom(this.#database.sql, environment.id, atomId, this.owner);
  }

  async #postpone(group: readonly UnleasedAtom[], error: unknown): Promise<void> {
    this.#options.onError(error);
    for (const atom of group) {
      const failures = this.#failures.get(keyOf(atom)) ?? 0;
      this.#failures.set(keyOf(atom), failures + 1);
      const forMs = Math.min(LONGEST_POSTPONEMENT_MS, FIRST_POSTPONEMENT_MS * 2 ** failures);
      const { environmentId, atomId } = atom;
      await postponeBuild(this.#database.sql, environmentId, atomId, this.owner, forMs).catch(this.#options.onError);
    }
  }
}

function keyOf({ environmentId, atomId }: UnleasedAtom): string {
  return `${environmentId}:${atomId}`;
}
