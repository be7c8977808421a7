import { setTimeout as sleep } from 'node:timers/promises';
import { lowestNeededRevision, unleasedAtoms } from '../storage/atoms.js';
import { expireAudit } from '../storage/audit.js';
import { type Database, inTransaction } from '../storage/database.js';
import { expireWaitingCaptures } from '../storage/captures.js';
import { expireDeadLetters } from '../storage/dead-letters.js';
import { deletedEnvironments, type Environment, listEnvironments, purgeEnvironment } from '../storage/environments.js';
import { measureLog } from '../storage/log.js';
import type { CommittedRevision } from './applier.js';
import { Builds } from './builds.js';
import { dropExpiredAtoms, keepUpAtoms } from './atom-upkeep.js';
import { rebuildAtom } from './catalog-writer.js';
import { CorruptAtoms, fold, trim } from './fold.js';
import { dropSupersededVersions } from './superseded-versions.js';

/** When maintenance does what. */
export interface MaintenanceOptions {
  readonly foldMaxRevisions: number;
  readonly foldMaxBytes: number;
  /** What is logged is folded after this long, however little it is. */
  readonly foldIntervalMs: number;
  readonly logRetentionMs: number;
  /** How long atoms are kept that nobody asks for and that no segment needs. */
  readonly draftExpiryMs: number;
  /** The same, where a segment did, since then. */
  readonly atomGraceMs: number;
  readonly buildRangeChunks: number;
  /** How long dead letters are kept. */
  readonly deadLetterRetentionMs: number;
  /** How long entries of the audit trail are kept; Infinity for ever. */
  readonly auditRetentionMs: number;
  readonly onCommitted: (revision: CommittedRevision) => void;
  /** Told how long each fold and build took that ended well. */
  readonly onMaintained?: (work: 'fold' | 'build', durationMs: number) => void;
  readonly onError: (error: unknown) => void;
}

const BUILDS_PER_LOOK = 64;
const LOOK_FOR_BUILDS_MS = 500;
const LOOK_AT_LOGS_MS = 1_000;
const HOUSEKEEPING_MS = 10_000;
const PURGE_ROWS = 10_000;
/** Of one round. */
const PURGE_MS = HOUSEKEEPING_MS;
/** The atoms of percentage splits hold for one segment only: they are gone within the hour, with the rounds that note it and drop them. */
const SPLIT_GRACE_MS = 55 * 60_000;
const ENVIRONMENTS_PER_READ = 500;

/**
 * The work that goes on behind the changes, shared by all processes on a database: builds, folds, trimming, dropping what nobody needs. Each
 * round gets over its errors by itself at the next, and what fails of one environment keeps no other from its turn.
 */
export class Maintenance {
  readonly #database: Database;
  readonly #options: MaintenanceOptions;
  readonly #builds: Builds;
  readonly #stopping = new AbortController();
  readonly #lastFoldMs = new Map<number, number>();
  readonly #upkeeps = new Map<number, string>();
  readonly #rounds: Promise<void>[] = [];
  #wakeBuilder: () => void = () => undefined;

  constructor(database: Database, options: MaintenanceOptions) {
    this.#database = database;
    this.#options = options;
    this.#builds = new Builds(database, {
      rangeChunks: options.buildRangeChunks,
      replayMaxBytes: options.foldMaxBytes,
      onCommitted: options.onCommitted,
      onBuilt: (durationMs) => options.onMaintained?.('build', durationMs),
      onError: options.onError,
    });
  }

  run(): void {
    this.#rounds.push(
      this.#repeat(
        LOOK_FOR_BUILDS_MS,
        () => this.#startBuilds(),
        (wake) => (this.#wakeBuilder = wake),
      ),
      this.#repeat(LOOK_AT_LOGS_MS, () => this.#foldEach()),
      this.#repeat(HOUSEKEEPING_MS, () => this.#keepHouse()),
    );
  }

  /** Ends what is under way at its next step; a build goes on elsewhere from there. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wakeBuilder();
    await Promise.all([...this.#rounds, this.#builds.stop()]);
  }

  /** There are atoms to build: look now. */
  nudge(): void {
    this.#wakeBuilder();
  }

  /** Builds a damaged atom again; the others of the process need not wait for it. */
  repair(environment: Environment, atomId: number): void {
    rebuildAtom(this.#database, environment, atomId)
      .then((committed) => {
        if (committed !== undefined) this.#options.onCommitted(committed);
        this.nudge();
      })
      .catch(this.#options.onError);
  }

  async #repeat(
    intervalMs: number,
    work: () => Promise<void>,
    onWake: (wake: () => void) => void = () => undefined,
  ): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      await work().catch(this.#options.onError);
      if (signal.aborted) return;
      const waking = new AbortController();
      onWake(() => {
        waking.abort();
      });
      await sleep(intervalMs, undefined, { signal: AbortSignal.any([signal, waking.signal]) }).catch(() => undefined);
    }
  }

  /** Starts builds of atoms that nobody builds; they go on while the next look is taken. */
  async #startBuilds(): Promise<void> {
    const waiting = await unleasedAtoms(this.#database.sql, this.#builds.owner, BUILDS_PER_LOOK);
    if (waiting.length === 0) return;
    await this.#forEachEnvironment((environment) => {
      this.#builds.start(
        environment,
        waiting.filter(({ environmentId }) => environmentId === environment.id),
      );
    });
  }

  async #foldEach(): Promise<void> {
    const seen = new Set<number>();
    await this.#forEachEnvironment(async (environment) => {
      seen.add(environment.id);
      if (environment.state !== 'off') await this.#foldWhenDue(environment);
    });
    for (const id of this.#lastFoldMs.keys()) if (!seen.has(id)) this.#lastFoldMs.delete(id);
  }

  async #foldWhenDue(environment: Environment): Promise<void> {
    const { foldMaxRevisions, foldMaxBytes, foldIntervalMs } = this.#options;
    const unfolded = await measureLog(
      this.#database.sql,
      environment.id,
      await lowestNeededRevision(this.#database.sql, environment.id),
    );
    const last = this.#lastFoldMs.get(environment.id) ?? -Infinity;
    const isDue =
      unfolded.revisions >= foldMaxRevisions ||
      unfolded.bytes >= foldMaxBytes ||
      performance.now() - last >= foldIntervalMs;
    if (unfolded.revisions === 0 || !isDue) return;
    const startedAt = performance.now();
    try {
      while (!(await fold(this.#database, environment.id, foldMaxBytes)) && !this.#stopping.signal.aborted);
      this.#lastFoldMs.set(environment.id, performance.now());
      this.#options.onMaintained?.('fold', performance.now() - startedAt);
    } catch (error) {
      if (error instanceof CorruptAtoms) for (const atomId of error.atomIds) this.repair(environment, atomId);
      throw error;
    }
  }

  async #keepHouse(): Promise<void> {
    await this.#forEachEnvironment(async (environment) => {
      if (environment.state === 'off') return;
      await trim(this.#database, environment.id, this.#options.logRetentionMs);
      await this.#keepUpAtoms(environment);
    });
    await dropSupersededVersions(this.#database).catch(this.#options.onError);
    await this.#expireKept().catch(this.#options.onError);
    await this.#purge();
  }

  async #keepUpAtoms(environment: Environment): Promise<void> {
    const { draftExpiryMs, atomGraceMs, onCommitted } = this.#options;
    const upkeep = await keepUpAtoms(this.#database, environment, this.#upkeeps.get(environment.id));
    if (upkeep !== undefined) this.#upkeeps.set(environment.id, upkeep.found);
    if (upkeep?.committed !== undefined) onCommitted(upkeep.committed);
    const splitGraceMs = Math.min(atomGraceMs, SPLIT_GRACE_MS);
    const expiry = { draftExpiryMs, graceMs: atomGraceMs, splitGraceMs };
    const dropped = await dropExpiredAtoms(this.#database, environment, expiry);
    if (dropped !== undefined) onCommitted(dropped);
  }

  /** What is left of deleted environments, in turn, for as long as one round takes: others wait for their housekeeping. */
  async #purge(): Promise<void> {
    const until = performance.now() + PURGE_MS;
    for (const id of await deletedEnvironments(this.#database.sql)) {
      this.#upkeeps.delete(id);
      const purge = (): Promise<boolean> =>
        inTransaction(this.#database, { isolation: 'read committed' }, (tx) => purgeEnvironment(tx, id, PURGE_ROWS));
      while (!this.#stopping.signal.aborted && performance.now() < until && !(await purge()));
    }
  }

  /** Dead letters, captured rows that waited for another as long, and entries of the audit trail. */
  async #expireKept(): Promise<void> {
    const { deadLetterRetentionMs, auditRetentionMs } = this.#options;
    await this.#expire(expireDeadLetters, deadLetterRetentionMs);
    await this.#expire(expireWaitingCaptures, deadLetterRetentionMs);
    if (auditRetentionMs !== Infinity) await this.#expire(expireAudit, auditRetentionMs);
  }

  async #expire(expire: typeof expireAudit, retentionMs: number): Promise<void> {
    while (
      !this.#stopping.signal.aborted &&
      (await expire(this.#database.sql, retentionMs, PURGE_ROWS)) === PURGE_ROWS
    );
  }

  async #forEachEnvironment(work: (environment: Environment) => Promise<void> | void): Promise<void> {
    let after = '';
    for (;;) {
      const environments = await listEnvironments(this.#database.sql, after, ENVIRONMENTS_PER_READ);
      for (const environment of environments) {
        if (this.#stopping.signal.aborted) return;
        try {
          await work(environment);
        } catch (error) {
          this.#options.onError(error);
        }
      }
      const last = environments.at(-1);
      if (last === undefined) return;
      after = last.key;
    }
  }
}
