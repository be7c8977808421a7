import { randomUUID } from 'node:crypto';
import type { Database } from '../storage/database.js';
import { holdRevision, releaseRevision } from '../storage/identities.js';

const HOLD_MS = 120_000;
const RENEW_INTERVAL_MS = 30_000;

/** Keeps tombstones as long as streams of this process need their identifiers: one row for each environment that is being streamed. */
export class HeldRevisions {
  readonly #database: Database;
  readonly #onError: (error: unknown) => void;
  readonly #holder = randomUUID();
  readonly #streams = new Map<number, Set<{ readonly revision: number }>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(database: Database, onError: (error: unknown) => void) {
    this.#database = database;
    this.#onError = onError;
  }

  run(): void {
    this.#timer = setInterval(() => {
      for (const environmentId of this.#streams.keys()) this.#renew(environmentId).catch(this.#onError);
    }, RENEW_INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Holds a revision of an environment until the function it gives is called. */
  async hold(environmentId: number, revision: number): Promise<() => void> {
    const stream = { revision };
    const streams = this.#streams.get(environmentId) ?? new Set();
    const isHeld = [...streams].some((other) => other.revision <= revision);
    streams.add(stream);
    this.#streams.set(environmentId, streams);
    const release = (): void => {
      streams.delete(stream);
      if (streams.size > 0 || !this.#streams.delete(environmentId)) return;
      releaseRevision(this.#database.sql, environmentId, this.#holder).catch(this.#onError);
    };
    if (isHeld) return release;
    try {
      await this.#renew(environmentId);
    } catch (error) {
      release();
      throw error;
    }
    return release;
  }

  async #renew(environmentId: number): Promise<void> {
    const streams = this.#streams.get(environmentId) ?? [];
    const lowest = Math.min(...[...streams].map(({ revision }) => revision));
    if (lowest < Infinity) await holdRevision(this.#database.sql, environmentId, this.#holder, lowest, HOLD_MS);
  }
}
