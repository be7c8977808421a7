import type { Backfill } from '../../storage/backfills.js';
import type { Database, Sql } from '../../storage/database.js';
import type { Environment } from '../../storage/environments.js';
import { isTouchedAfter } from '../../storage/touches.js';
import type { Applier, ApplyOptions, BatchOutcome, EnvironmentChange, RefusedChange } from '../applier.js';
import { IdentityRace } from '../write-rows.js';
import { BackfillEnded } from './end-backfill.js';
import { leaveToLive, touchKeysOf, type Untouched } from './untouched.js';

/** A backfill in the hands of the process that leases it. */
export interface BackfillRun {
  readonly database: Database;
  readonly applier: Applier;
  readonly environment: Environment;
  readonly backfill: Backfill;
  /** Who holds the lease: unique among processes. */
  readonly owner: string;
  readonly leaseMs: number;
}

/** What a batch of a backfill has done, in its transaction. */
export interface BackfillOutcome {
  readonly changes: readonly EnvironmentChange[];
  readonly refused: readonly RefusedChange[];
  readonly outcome: BatchOutcome;
}

/**
 * Applies changes of a backfill beside live ones, which win: what they touched since its base is left to them, looked at before and, where any came meanwhile, again under the
 * environment's head; then the batch starts again. `note` runs last in the transaction. Throws BackfillEnded, and IdentityRace where live changes keep coming in between.
 */
export async function applyBeside(
  run: BackfillRun,
  changes: readonly EnvironmentChange[],
  note: (tx: Sql, outcome: BackfillOutcome) => Promise<void>,
  how: Pick<ApplyOptions, 'expected' | 'onSent'> = {},
): Promise<void> {
  const { environment, backfill } = run;
  let untouched: Untouched = { changes: [], revision: 0 };
  await run.applier.apply(changes, {
    ...how,
    choose: async (tx, current, received) => {
      if (current.id !== environment.id) throw new BackfillEnded();
      untouched = await leaveToLive(tx, current, backfill.id, received);
      return untouched.changes;
    },
    alongside: async (tx, refused, outcome) => {
      if (refused.some(({ error }) => GONE.has(error.reason))) throw new BackfillEnded();
      await checkUntouched(tx, run, changes, untouched.revision, outcome);
      await note(tx, { changes: untouched.changes, refused, outcome });
    },
  });
}

/** The environment was deleted or switched off meanwhile. */
const GONE: ReadonlySet<string> = new Set(['ENVIRONMENT_NOT_FOUND', 'INDEX_OFF']);

/** Where it took no revision it changed nothing that live changes could have meant otherwise; where it took the next one, none came between. */
async function checkUntouched(
  tx: Sql,
  { environment, backfill }: BackfillRun,
  changes: readonly EnvironmentChange[],
  revision: number,
  { committed }: BatchOutcome,
): Promise<void> {
  const [taken] = committed;
  if (taken === undefined || taken.revision === revision + 1) return;
  if (await isTouchedAfter(tx, environment.id, backfill.id, touchKeysOf(changes), revision)) throw new IdentityRace();
}
