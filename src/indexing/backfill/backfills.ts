import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IdentitySource } from '../../core/source.js';
import { RollcallError } from '../../core/errors.js';
import { SERVICE_ACTOR } from '../../storage/audit.js';
import { type Backfill, leaseBackfill, newestBackfill, releaseBackfill } from '../../storage/backfills.js';
import {
  abandonedLoads,
  environmentsToLoad,
  environmentsToRefresh,
  forgetBackfills,
  oldFailures,
  waitingBackfills,
} from '../../storage/backfill-work.js';
import type { Database } from '../../storage/database.js';
import { type Environment, findEnvironmentById } from '../../storage/environments.js';
import { clearEndedBackfills } from '../../storage/touches.js';
import type { Applier, CommittedRevision } from '../applier.js';
import { beginBackfill } from './begin-backfill.js';
import { BackfillEnded, cancelBackfill, failBackfill } from './end-backfill.js';
import { runBackfill } from './run-backfill.js';

/** How a process runs the backfills of configured sources. */
export interface BackfillsOptions {
  /** Opens the source of an environment. Throws SOURCE_NOT_CONFIGURED, SOURCE_UNAVAILABLE. */
  readonly openSource: (environment: Environment, signal: AbortSignal) => Promise<IdentitySource>;
  readonly onCommitted: (revision: CommittedRevision) => void;
  readonly onError: (error: unknown) => void;
  /** Told how far this process brought a backfill when it ended or was left to others: as it was taken up, and as it is. */
  readonly onRan?: (before: Backfill, after: Backfill) => void;
  /** Backfills at once in this process. */
  readonly concurrency?: number;
  /** Environments with a source are loaded again this long after the last time; 0 for never. */
  readonly refreshIntervalMs?: number;
  /** Of the backfills that begin by themselves; 0 for no limit. */
  readonly identitiesPerSecond?: number;
  readonly leaseMs?: number;
}

const LOOK_MS = 500;
const HOUSEKEEPING_MS = 10_000;
const DEFAULT_CONCURRENCY = 2;
const LEASE_MS = 30_000;
/** A load of a file whose caller's process is gone has failed after this long: its lease, and some more. */
const ABANDONED_MS = 30_000;
const RESUMABLE_MS = 7 * 24 * 60 * 60 * 1000;
const KEPT_BACKFILLS = 100;
const CLEARED_ROWS = 10_000;
const BEGUN_PER_LOOK = 16;
/** Between attempts at a backfill that ended by an error of this process. */
const PAUSE_AFTER_ERROR_MS = 5_000;

/** The backfills that one process runs; several processes share those of a database by leases. Begins those that nobody has to ask for, and clears up behind the others. */
export class Backfills {
  /** Who holds the leases: unique among processes. */
  readonly owner = randomUUID();
  readonly #database: Database;
  readonly #applier: Applier;
  readonly #options: BackfillsOptions;
  readonly #stopping = new AbortController();
  readonly #running = new Map<number, { readonly ending: AbortController; readonly done: Promise<void> }>();
  readonly #pausedUntil = new Map<number, number>();
  readonly #rounds: Promise<void>[] = [];
  #wake: () => void = () => undefined;

  constructor(database: Database, applier: Applier, options: BackfillsOptions) {
    this.#database = database;
    this.#applier = applier;
    this.#options = options;
  }

  run(): void {
    this.#rounds.push(
      this.#repeat(LOOK_MS, () => this.#look()),
      this.#repeat(HOUSEKEEPING_MS, () => this.#keepHouse()),
    );
  }

  /** Ends what is under way at its next step; it goes on elsewhere from its cursor, at once. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await Promise.all([...this.#rounds, ...[...this.#running.values()].map(({ done }) => done)]);
  }

  /** There may be a backfill to run: look now. */
  nudge(): void {
    this.#wake();
  }

  /** Ends what this process does for a backfill that was cancelled; without it, it would notice at its next page. */
  abort(backfillId: number): void {
    this.#running.get(backfillId)?.ending.abort();
  }

  async #repeat(intervalMs: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      const waking = new AbortController();
      if (intervalMs === LOOK_MS)
        this.#wake = () => {
          waking.abort();
        };
      await work().catch(this.#options.onError);
      if (signal.aborted) return;
      await sleep(intervalMs, undefined, { signal: AbortSignal.any([signal, waking.signal]) }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    await this.#beginDue();
    const room = (this.#options.concurrency ?? DEFAULT_CONCURRENCY) - this.#running.size;
    if (room <= 0) return;
    const waiting = await waitingBackfills(this.#database.sql, room + this.#running.size + this.#pausedUntil.size);
    const now = Date.now();
    const free = waiting.filter(({ id }) => !this.#running.has(id) && (this.#pausedUntil.get(id) ?? 0) <= now);
    for (const { id, environmentId } of free.slice(0, room)) this.#start(id, environmentId);
  }

  /** Environments that were never loaded whole, and those whose time has come again. */
  async #beginDue(): Promise<void> {
    const { refreshIntervalMs = 0 } = this.#options;
    const due = new Set(await environmentsToLoad(this.#database.sql, BEGUN_PER_LOOK));
    if (refreshIntervalMs > 0)
      for (const id of await environmentsToRefresh(this.#database.sql, refreshIntervalMs, BEGUN_PER_LOOK)) due.add(id);
    for (const id of due) await this.#begin(id);
  }

  async #begin(environmentId: number): Promise<void> {
    const environment = await findEnvironmentById(this.#database.sql, environmentId);
    if (environment === undefined || environment.source === '') return;
    try {
      const { revision } = await beginBackfill(this.#database, environment, {
        source: environment.source,
        sourceName: environment.source,
        isSweeping: true,
        requestedBy: '',
        identitiesPerSecond: this.#options.identitiesPerSecond ?? 0,
        restart: false,
      });
      this.#options.onCommitted(revision);
    } catch (error) {
      // Another process was first, or the environment went meanwhile.
      if (!(error instanceof RollcallError) || !PASSED.has(error.reason)) throw error;
    }
  }

  #start(id: number, environmentId: number): void {
    const ending = new AbortController();
    const done = this.#take(id, environmentId, AbortSignal.any([this.#stopping.signal, ending.signal]))
      .then(() => void this.#pausedUntil.delete(id))
      .catch((error: unknown) => {
        this.#pausedUntil.set(id, Date.now() + PAUSE_AFTER_ERROR_MS);
        this.#options.onError(error);
      })
      .finally(() => {
        this.#running.delete(id);
        this.#wake();
      });
    this.#running.set(id, { ending, done });
  }

  async #take(id: number, environmentId: number, signal: AbortSignal): Promise<void> {
    const { leaseMs = LEASE_MS, onCommitted } = this.#options;
    const environment = await findEnvironmentById(this.#database.sql, environmentId);
    const leased = await leaseBackfill(this.#database.sql, id, this.owner, leaseMs);
    if (environment === undefined || leased === undefined) return;
    let source: IdentitySource;
    try {
      source = await this.#options.openSource(environment, signal);
    } catch (error) {
      if (signal.aborted) return releaseBackfill(this.#database.sql, id, this.owner);
      await this.#fail(environment, leased, this.owner, error);
      return;
    }
    try {
      const how = { signal, owner: this.owner, onCommitted, leaseMs };
      const ran = await runBackfill(this.#database, this.#applier, environment, leased, source, how);
      if (ran !== undefined) this.#options.onRan?.(leased, ran);
    } finally {
      await source.close().catch(this.#options.onError);
    }
  }

  async #fail(environment: Environment, backfill: Backfill, owner: string, error: unknown): Promise<void> {
    try {
      const failed = await failBackfill(this.#database, environment, backfill, owner, error);
      this.#options.onCommitted(failed.revision);
      this.#options.onRan?.(backfill, failed.backfill);
    } catch (failure) {
      if (!(failure instanceof BackfillEnded)) throw failure;
    }
  }

  async #keepHouse(): Promise<void> {
    const { sql } = this.#database;
    for (const { id, environmentId } of await abandonedLoads(sql, ABANDONED_MS)) {
      const environment = await findEnvironmentById(sql, environmentId);
      const leased = await leaseBackfill(sql, id, this.owner, LEASE_MS);
      const gone = new RollcallError('SOURCE_UNAVAILABLE', 'the load was cut off');
      if (environment !== undefined && leased !== undefined) await this.#fail(environment, leased, this.owner, gone);
    }
    for (const { environmentId } of await oldFailures(sql, RESUMABLE_MS)) await this.#giveUp(environmentId);
    while (await clearEndedBackfills(sql, CLEARED_ROWS)) if (this.#stopping.signal.aborted) return;
    await forgetBackfills(sql, KEPT_BACKFILLS);
  }

  async #giveUp(environmentId: number): Promise<void> {
    const environment = await findEnvironmentById(this.#database.sql, environmentId);
    const newest = await newestBackfill(this.#database.sql, environmentId);
    if (environment === undefined || newest?.state !== 'failed') return;
    const { revision } = await cancelBackfill(this.#database, environment, SERVICE_ACTOR, 'it was not resumed in time');
    this.#options.onCommitted(revision);
  }
}

const PASSED: ReadonlySet<string> = new Set(['BACKFILL_RUNNING', 'INDEX_OFF', 'ENVIRONMENT_NOT_FOUND']);
