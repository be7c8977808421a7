import { RollcallError } from '../../core/errors.js';
import {
  type Backfill,
  endBackfill,
  findActiveBackfill,
  insertBackfill,
  type NewBackfill,
  resumeBackfill,
} from '../../storage/backfills.js';
import { writeAudit } from '../../storage/audit.js';
import { setActiveBackfill } from '../../storage/backfill-work.js';
import { type Database, inTransaction, type Sql } from '../../storage/database.js';
import { type Environment, findEnvironmentById } from '../../storage/environments.js';
import { nextLiveOrdinal } from '../../storage/scans.js';
import type { CommittedRevision } from '../applier.js';
import { environmentNote } from '../audit-states.js';
import { takeCatalogRevision } from '../catalog-writer.js';

/** What is to be loaded, and how. */
export interface BackfillRequest extends Pick<
  NewBackfill,
  'source' | 'sourceName' | 'isSweeping' | 'requestedBy' | 'identitiesPerSecond'
> {
  /** Begin anew where the last one failed, rather than go on with it. */
  readonly restart: boolean;
}

/** A backfill that is registered to run. */
export interface BegunBackfill {
  readonly backfill: Backfill;
  readonly revision: CommittedRevision;
}

/**
 * Registers a backfill of an environment: whoever leases it runs it (`runBackfill`). The revision it takes is its base: live changes after it win. Goes on with one of
 * the same source that failed, unless told to start again. Throws BACKFILL_RUNNING, INDEX_OFF, ENVIRONMENT_NOT_FOUND.
 */
export async function beginBackfill(
  database: Database,
  environment: Environment,
  request: BackfillRequest,
): Promise<BegunBackfill> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const revision = await takeCatalogRevision(tx, environment);
    const current = await readOn(tx, environment);
    const active = await findActiveBackfill(tx, environment.id);
    if (active?.state === 'running') throw backfillRunning(environment, active);
    const isFirst = await isFirstOf(tx, current, request);
    const begun = { ...request, isFirst };
    const backfill = (await resume(tx, active, begun)) ?? (await insert(tx, current, revision, begun));
    await noteRequest(tx, current, backfill);
    const isLoading = request.isSweeping && isFirst;
    await setActiveBackfill(tx, environment.id, backfill.id, isLoading ? { state: 'loading' } : {});
    return { backfill, revision };
  });
}

/** What the service begins by itself is no news. */
async function noteRequest(tx: Sql, environment: Environment, backfill: Backfill): Promise<void> {
  const { id, sourceName, requestedBy } = backfill;
  if (requestedBy === '') return;
  await writeAudit(tx, [environmentNote(requestedBy, environment, `backfill ${id} from ${sourceName} was asked for`)]);
}

async function readOn(tx: Sql, { id, key }: Environment): Promise<Environment> {
  const current = await findEnvironmentById(tx, id);
  if (current === undefined)
    throw new RollcallError('ENVIRONMENT_NOT_FOUND', `the environment '${key}' was deleted`, {
      metadata: { environment: key },
    });
  if (current.state !== 'off') return current;
  throw new RollcallError('INDEX_OFF', `the environment '${key}' is switched off`, {
    metadata: { environment: key, gate: current.stateReason },
  });
}

function backfillRunning({ key }: Environment, { id }: Backfill): RollcallError {
  return new RollcallError('BACKFILL_RUNNING', `a backfill of the environment '${key}' is running`, {
    metadata: { environment: key, backfill: String(id) },
  });
}

type BegunRequest = BackfillRequest & Pick<NewBackfill, 'isFirst'>;

async function resume(tx: Sql, active: Backfill | undefined, request: BegunRequest): Promise<Backfill | undefined> {
  if (active === undefined) return undefined;
  const isSame = active.source === request.source && active.isSweeping === request.isSweeping;
  if (isSame && !request.restart) return resumeBackfill(tx, active.id, request);
  const errorExplanation = 'another backfill took its place';
  await endBackfill(tx, active.id, undefined, { state: 'cancelled', errorReason: 'CANCELLED', errorExplanation });
  return undefined;
}

async function insert(
  tx: Sql,
  current: Environment,
  { revision }: CommittedRevision,
  request: BegunRequest,
): Promise<Backfill> {
  return insertBackfill(tx, { ...request, environmentId: current.id, baseRevision: revision });
}

/** Whether reads wait for it: what is stored is not whole, or nothing is stored and all of it comes now. */
async function isFirstOf(tx: Sql, current: Environment, { isSweeping }: BackfillRequest): Promise<boolean> {
  const { id, state, loadedFrom } = current;
  if (state === 'loading' || state === 'failed') return true;
  return isSweeping && loadedFrom === null && (await nextLiveOrdinal(tx, id, 0)) === undefined;
}
