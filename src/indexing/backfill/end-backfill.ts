import { RollcallError } from '../../core/errors.js';
import { type Backfill, type BackfillEnd, endBackfill, findActiveBackfill } from '../../storage/backfills.js';
import { writeAudit } from '../../storage/audit.js';
import { type LoadedState, setActiveBackfill } from '../../storage/backfill-work.js';
import { type Database, inTransaction, type Sql } from '../../storage/database.js';
import { toRollcallError } from '../../storage/database-errors.js';
import { type Environment, findEnvironmentById } from '../../storage/environments.js';
import type { CommittedRevision } from '../applier.js';
import { environmentNote } from '../audit-states.js';
import { takeCatalogRevision } from '../catalog-writer.js';

/** A backfill as it ended, and the revision that says so. */
export interface EndedBackfill {
  readonly backfill: Backfill;
  readonly revision: CommittedRevision;
}

/** The lease was lost, the backfill cancelled or its environment deleted: what this process does for it is over. */
export class BackfillEnded extends Error {}

/** Ends a backfill that has read and swept everything: from this revision on the environment answers. Throws BackfillEnded where it is not the owner's any more. */
export async function completeBackfill(
  database: Database,
  environment: Environment,
  { id, isSweeping }: Backfill,
  owner: string,
): Promise<EndedBackfill> {
  const end: BackfillEnd = { state: 'done', errorReason: '', errorExplanation: '' };
  return endOwn(database, environment, id, owner, end, (current, ended) => {
    const isLoading = current.state === 'loading' || current.state === 'failed';
    if (!isSweeping) return {};
    return { loadedFrom: ended.startedAt, ...(isLoading ? { state: 'ready' as const } : {}) };
  });
}

/** Notes that a backfill failed: it stays active until it is resumed or given up. Throws BackfillEnded where it is not the owner's any more. */
export async function failBackfill(
  database: Database,
  environment: Environment,
  { id, isSweeping }: Pick<Backfill, 'id' | 'isSweeping'>,
  owner: string,
  error: unknown,
): Promise<EndedBackfill> {
  const { reason, message } = toRollcallError(error);
  const end: BackfillEnd = { state: 'failed', errorReason: reason, errorExplanation: message };
  return endOwn(database, environment, id, owner, end, (current) =>
    isSweeping && current.state === 'loading' ? { state: 'failed', stateReason: reason } : {},
  );
}

async function endOwn(
  database: Database,
  environment: Environment,
  id: number,
  owner: string,
  end: BackfillEnd,
  stateOf: (current: Environment, ended: Backfill) => LoadedState,
): Promise<EndedBackfill> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const revision = await takeCatalogRevision(tx, environment);
    const current = await findEnvironmentById(tx, environment.id);
    const backfill = await endBackfill(tx, id, owner, end);
    if (current === undefined || backfill === undefined) throw new BackfillEnded();
    await setActiveBackfill(tx, environment.id, end.state === 'failed' ? id : null, stateOf(current, backfill));
    return { backfill, revision };
  });
}

/** Ends the backfill of an environment that runs, or gives up the failed one. What it applied stays. Throws BACKFILL_NOT_FOUND. */
export async function cancelBackfill(
  database: Database,
  environment: Environment,
  actor: string,
  explanation = 'it was cancelled',
): Promise<EndedBackfill> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const revision = await takeCatalogRevision(tx, environment);
    const backfill = await cancelActive(tx, environment.id, explanation);
    if (backfill === undefined)
      throw new RollcallError('BACKFILL_NOT_FOUND', `no backfill of the environment '${environment.key}' is active`, {
        metadata: { environment: environment.key },
      });
    await writeAudit(tx, [environmentNote(actor, environment, `backfill ${backfill.id} was ended: ${explanation}`)]);
    return { backfill, revision };
  });
}

/**
 * The same in a transaction that has taken a catalog revision of the environment. An environment that is loading has failed by it; one that is off stays so. Undefined
 * where none is active.
 */
export async function cancelActive(tx: Sql, environmentId: number, explanation: string): Promise<Backfill | undefined> {
  const current = await findEnvironmentById(tx, environmentId);
  const active = await findActiveBackfill(tx, environmentId);
  if (current === undefined || active === undefined) return undefined;
  const end: BackfillEnd = { state: 'cancelled', errorReason: 'CANCELLED', errorExplanation: explanation };
  const isLoading = active.isSweeping && current.state === 'loading';
  const state: LoadedState = isLoading ? { state: 'failed', stateReason: 'CANCELLED' } : {};
  await setActiveBackfill(tx, environmentId, null, state);
  return endBackfill(tx, active.id, undefined, end);
}
