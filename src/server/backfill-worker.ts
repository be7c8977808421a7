import type { Applier, CommittedRevision } from '../indexing/applier.js';
import { Backfills } from '../indexing/backfill/backfills.js';
import type { Backfill } from '../storage/backfills.js';
import type { Database } from '../storage/database.js';
import type { Logger } from './logger.js';
import type { Options } from './options.js';
import type { ConfiguredSources } from './sources/configured-sources.js';

/** Whom the backfills of a process tell. */
export interface BackfillListeners {
  readonly logger: Logger;
  readonly onCommitted: (revision: CommittedRevision) => void;
  readonly onRan: (before: Backfill, after: Backfill) => void;
  readonly onError: (error: unknown) => void;
}

/** The backfills that the options ask for, not running yet; undefined where they are left to other processes. */
export function createBackfills(
  database: Database,
  applier: Applier,
  sources: ConfiguredSources,
  options: Options,
  { logger, onRan, ...listeners }: BackfillListeners,
): Backfills | undefined {
  if (options.backfillsAtOnce === 0) return undefined;
  return new Backfills(database, applier, {
    ...listeners,
    openSource: (environment, signal) => sources.open(environment, signal),
    concurrency: options.backfillsAtOnce,
    refreshIntervalMs: options.refreshIntervalSeconds * 1000,
    identitiesPerSecond: options.backfillIdentitiesPerSecond,
    onRan: (before, after) => {
      onRan(before, after);
      logRun(logger, after);
    },
  });
}

function logRun(logger: Logger, after: Backfill): void {
  const { id, environmentId, source, state, identitiesRead, identitiesChanged, identitiesSwept, rowsSkipped } = after;
  const fields = {
    ...{ backfill: id, environmentId, source, state, identitiesRead, identitiesChanged, identitiesSwept, rowsSkipped },
    ...(after.errorReason === '' ? {} : { reason: after.errorReason, explanation: after.errorExplanation }),
  };
  if (state === 'failed') logger.warn(fields, 'a backfill failed; it can be resumed');
  else logger.info(fields, state === 'running' ? 'a backfill is left to another process' : 'a backfill ended');
}
