import { randomUUID } from 'node:crypto';
import type { Database } from '../storage/database.js';
import { holdRevision, releaseRevision } from '../storage/held-revisions.js';

const HOLD_MS = 120_000;
const RENEW_INTERVAL_MS = 30_000;
/** A caller that streams one segment after the other need not wait for a row each time. */
const LINGER_MS = 2_000;

/** What streams of one environment need. */
interface Holding {
  readonly environmentId: number;
  /** One for each stream. */
  readonly revisions: { readonly revision: number }[];
  /** What the database holds for them by now; Infinity for nothing. */
  held: number;
  /** Writes follow each other, so that the last word is the last one written. */
  writing: Promise<void>;
}

/** Keeps tombstones as long as streams of this process need their identifiers: one row for each environment that is being streamed. */
export class HeldRevisions {
  readonly #database: Database;
  readonly #onError: (error: unknown) => void;
  readonly #holder = randomUUID();
  readonly #holdings = new Map<number, Holding>();
  #timer: NodeJS.Timeout | undefined;

  constructor(database: Database, onError: (error: unknown) => void) {
    this.#database = database;
    this.#onError = onError;
  }

  run(): void {
    this.#timer = setInterval(() => {
      for (const holding of this.#holdings.values()) this.#write(holding).catch(this.#onError);
    }, RENEW_INTERVAL_MS);
  }

  /** Lets go of what no stream needs any more; to be called when they have ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const holding of this.#holdings.values())
      if (holding.revisions.length === 0) await this.#write(holding).catch(this.#onError);
  }

  /** Holds a revision of an environment until the function it gives is called. */
  async hold(environmentId: number, revision: number): Promise<() => void> {
    const holding = this.#holdingOf(environmentId);
    const stream = { revision };
    holding.revisions.push(stream);
    const release = (): void => {
      holding.revisions.splice(holding.revisions.indexOf(stream), 1);
      if (holding.revisions.length === 0) this.#releaseLater(holding);
    };
    if (holding.held <= revision) return release;
    try {
      await this.#write(holding);
    } catch (error) {
      release();
      throw error;
    }
    return release;
  }

  #releaseLater(holding: Holding): void {
    setTimeout(() => {
      if (holding.revisions.length === 0) this.#write(holding).catch(this.#onError);
    }, LINGER_MS).unref();
  }

  #holdingOf(environmentId: number): Holding {
    let holding = this.#holdings.get(environmentId);
    if (holding === undefined)
      this.#holdings.set(
        environmentId,
        (holding = { environmentId, revisions: [], held: Infinity, writing: Promise.resolve() }),
      );
    return holding;
  }

  #write(holding: Holding): Promise<void> {
    const written = holding.writing.then(() => this.#writeNow(holding));
    holding.writing = written.catch(() => undefined);
    return written;
  }

  async #writeNow(holding: Holding): Promise<void> {
    const { environmentId, revisions } = holding;
    const lowest = Math.min(...revisions.map(({ revision }) => revision));
    if (lowest < Infinity) {
      // Nothing is sure while it is being written: whoever comes meanwhile writes again.
      holding.held = Infinity;
      await holdRevision(this.#database.sql, environmentId, this.#holder, lowest, HOLD_MS);
      holding.held = lowest;
    } else if (holding.held < Infinity) {
      holding.held = Infinity;
      await releaseRevision(this.#database.sql, environmentId, this.#holder);
    }
  }
}
