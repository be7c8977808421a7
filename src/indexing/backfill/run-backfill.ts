import { setTimeout as sleep } from 'node:timers/promises';
import { RollcallError } from '../../core/errors.js';
import type { IdentitySource, SourcePage } from '../../core/source.js';
import {
  type Backfill,
  findBackfill,
  lastPosition,
  leaseBackfill,
  noteAllRead,
  noteSource,
  releaseBackfill,
  renewLease,
} from '../../storage/backfills.js';
import type { Database } from '../../storage/database.js';
import { toRollcallError } from '../../storage/database-errors.js';
import type { Environment } from '../../storage/environments.js';
import type { Applier, CommittedRevision } from '../applier.js';
import { applyPage, expectNew, type ReadyPage, readyPage } from './apply-page.js';
import type { BackfillRun } from './backfill-run.js';
import { BackfillEnded, completeBackfill, failBackfill } from './end-backfill.js';
import { sweep } from './sweep.js';

/** How one process runs a backfill. */
export interface RunOptions {
  /** Aborting ends the run at its next step and leaves it to be taken up elsewhere, from its cursor. */
  readonly signal: AbortSignal;
  /** Who holds the lease: unique among processes. */
  readonly owner: string;
  /** Told the revisions that the run takes besides the applier's: its end. */
  readonly onCommitted: (revision: CommittedRevision) => void;
  /** Told of each page that is committed. */
  readonly onPage?: (page: SourcePage) => void;
  readonly leaseMs?: number;
}

const LEASE_MS = 30_000;
const RENEWALS_PER_LEASE = 4;

/**
 * Runs a backfill from its cursor to its end: pages, then the sweep, then the revision from which on the environment answers. What fails it is noted with its reason; the database being away is
 * thrown, so that whoever takes it up goes on. Ends quietly where another process holds the lease, the backfill was cancelled or the signal fires. The backfill as it is then; undefined
 * where its environment is gone. Does not close the source.
 */
export async function runBackfill(
  database: Database,
  applier: Applier,
  environment: Environment,
  begun: Pick<Backfill, 'id'>,
  source: IdentitySource,
  options: RunOptions,
): Promise<Backfill | undefined> {
  const { owner, leaseMs = LEASE_MS, signal, onCommitted } = options;
  const backfill = await leaseBackfill(database.sql, begun.id, owner, leaseMs);
  if (backfill !== undefined) {
    const run: BackfillRun = { database, applier, environment, backfill, owner, leaseMs };
    const ending = new AbortController();
    const renewing = keepLease(run, ending);
    try {
      const either = AbortSignal.any([signal, ending.signal]);
      const ended = await goThrough(run, source, either, options);
      onCommitted(ended.revision);
      return ended.backfill;
    } catch (error) {
      await noteFailure(run, error, { isStopped: signal.aborted, isLost: ending.signal.aborted, onCommitted });
    } finally {
      ending.abort();
      await renewing;
    }
  }
  return findBackfill(database.sql, environment.id, begun.id);
}

async function goThrough(run: BackfillRun, source: IdentitySource, signal: AbortSignal, options: RunOptions) {
  const { database, environment, backfill, owner, leaseMs } = run;
  const checkContinues = (): void => {
    if (signal.aborted) throw new BackfillEnded();
  };
  checkOrdinals(environment, source);
  if (!backfill.hasReadAll) {
    const size = await sizeOf(run, source, signal);
    if (!(await noteSource(database.sql, backfill.id, owner, { name: source.name, size }))) throw new BackfillEnded();
    await readPages(run, source, signal, options);
    if (!(await noteAllRead(database.sql, backfill.id, owner, leaseMs))) throw new BackfillEnded();
  }
  checkContinues();
  if (backfill.isSweeping && !(await hasUnidentified(run))) await sweep(run, checkContinues);
  return completeBackfill(database, environment, backfill, owner);
}

/** What the last load read says more of an environment than a total that it shares with others. */
async function sizeOf({ database, environment, backfill }: BackfillRun, source: IdentitySource, signal: AbortSignal) {
  const size = await source.estimate(signal);
  if (size?.isAtMost !== true) return size;
  const total = await lastPosition(database.sql, environment.id, backfill.source);
  return total === undefined ? size : { total, unit: size.unit };
}

/** Rows whose identity nobody knows may be of any identity that is missing. */
async function hasUnidentified({ database, environment, backfill }: BackfillRun): Promise<boolean> {
  const now = await findBackfill(database.sql, environment.id, backfill.id);
  return now === undefined || now.rowsUnidentified > 0;
}

/** The next page is read while one is applied; where that is of new identities, once they are on their way, and the next is made ready too: so Postgres and this process work side by side. */
async function readPages(
  run: BackfillRun,
  source: IdentitySource,
  signal: AbortSignal,
  { onPage }: RunOptions,
): Promise<void> {
  const { backfill } = run;
  const leaving = new AbortController();
  const pages = source.pages(backfill.cursor ?? undefined, AbortSignal.any([signal, leaving.signal]));
  const next = async (): Promise<ReadyPage | undefined> => {
    const item: IteratorResult<SourcePage, unknown> = await pages.next();
    if (item.done === true) return undefined;
    const ready = readyPage(run, item.value);
    return areNew ? expectNew(run, ready) : ready;
  };
  const pace = createPace(backfill.identitiesPerSecond);
  let areNew = false;
  let reading: ReturnType<typeof next> | undefined;
  const readOn = (): void => {
    if (reading !== undefined) return;
    reading = next();
    reading.catch(() => undefined);
  };
  try {
    for (;;) {
      readOn();
      const read = await reading;
      reading = undefined;
      if (read === undefined) return;
      if (signal.aborted) throw new BackfillEnded();
      if (!areNew) readOn();
      areNew = await applyPage(run, areNew ? await expectNew(run, read) : read, readOn);
      readOn();
      onPage?.(read.page);
      await pace(read.page.identities.length, signal);
    }
  } finally {
    leaving.abort();
    // A source that fails now has nobody left to tell.
    await reading?.catch(() => undefined);
    await pages.return(undefined).catch(() => undefined);
  }
}

function createPace(perSecond: number): (identities: number, signal: AbortSignal) => Promise<void> {
  let paidAt = 0;
  return async (identities, signal) => {
    if (perSecond === 0) return;
    paidAt = Math.max(paidAt, performance.now()) + (identities / perSecond) * 1000;
    await sleep(paidAt - performance.now(), undefined, { signal }).catch(() => undefined);
  };
}

/** Throws IDENTITY_ID_REQUIRED and IDENTITY_ID_NOT_ALLOWED where a source's ordinals are not the environment's. */
export function checkOrdinals({ key, ordinalMode }: Environment, source: IdentitySource): void {
  if (source.ordinalMode === ordinalMode) return;
  const metadata = { environment: key };
  throw ordinalMode === 'given'
    ? new RollcallError('IDENTITY_ID_REQUIRED', 'the environment takes ordinals from its source, which has none', {
        metadata,
      })
    : new RollcallError('IDENTITY_ID_NOT_ALLOWED', 'the environment allots ordinals, and its source brings some', {
        metadata,
      });
}

/** Renews the lease until `ending` fires, and fires it where the lease is lost. While the database is away it may still be ours: each page finds out. */
async function keepLease({ database, backfill, owner, leaseMs }: BackfillRun, ending: AbortController): Promise<void> {
  for (;;) {
    await sleep(leaseMs / RENEWALS_PER_LEASE, undefined, { signal: ending.signal }).catch(() => undefined);
    if (ending.signal.aborted) return;
    const isOurs = await renewLease(database.sql, backfill.id, owner, leaseMs).catch(() => true);
    if (!isOurs) ending.abort(new BackfillEnded());
  }
}

async function noteFailure(
  { database, environment, backfill, owner }: BackfillRun,
  error: unknown,
  how: { readonly isStopped: boolean; readonly isLost: boolean; readonly onCommitted: RunOptions['onCommitted'] },
): Promise<void> {
  if (how.isStopped) return releaseBackfill(database.sql, backfill.id, owner);
  if (how.isLost || error instanceof BackfillEnded) return;
  const isAway = toRollcallError(error).reason === 'DATABASE_UNAVAILABLE';
  if (isAway && backfill.source !== 'file') throw error;
  try {
    how.onCommitted((await failBackfill(database, environment, backfill, owner, error)).revision);
  } catch (failure) {
    if (!(failure instanceof BackfillEnded)) throw error;
  }
}
