import { RollcallError } from '../../core/errors.js';
import type { IndexService } from '../../gen/rollcall/v1/index_service_pb.js';
import type { CommittedRevision } from '../../indexing/applier.js';
import { beginBackfill } from '../../indexing/backfill/begin-backfill.js';
import { cancelBackfill } from '../../indexing/backfill/end-backfill.js';
import { indexOff } from '../../query/environment-state.js';
import { refreshCooldownLeftMs } from '../../storage/backfill-summaries.js';
import {
  type Backfill,
  findBackfill,
  listBackfills,
  newestBackfill,
  readSkippedRows,
} from '../../storage/backfills.js';
import type { Database } from '../../storage/database.js';
import type { Environment } from '../../storage/environments.js';
import { backfillMessage, etaSecondsOf, progressOf } from '../messages/backfill-messages.js';
import { pageSizeOf, readIdToken, writeIdToken } from '../messages/name-tokens.js';
import type { ConfiguredSources } from '../sources/configured-sources.js';
import type { CallContext, Handlers } from '../transport/handlers.js';
import { expectEnvironment } from './environment-service.js';

export type BackfillHandlers = Pick<
  Handlers<typeof IndexService>,
  'backfill' | 'getBackfill' | 'listBackfills' | 'cancelBackfill' | 'refresh'
>;

/** What these handlers need of the rooms around them. */
export interface BackfillRooms {
  readonly database: Database;
  readonly sources: Pick<ConfiguredSources, 'expect'>;
  /** The default of the requests' rate; 0 for no limit. */
  readonly identitiesPerSecond: number;
  readonly refreshCooldownMs: number;
  readonly onCommitted: (revision: CommittedRevision) => void;
  /** Told that there is a backfill to run. */
  readonly onToLoad: () => void;
  /** Told of one that was cancelled, which may be running here. */
  readonly onCancelled: (backfill: Backfill) => void;
}

/** Skipped rows that an answer shows. */
const SHOWN_SKIPPED = 10;
/** When a caller might ask again whether a running backfill is over, where nobody knows how long it takes. */
const RETRY_AFTER_MS = 5_000;

/** The handlers of IndexService that are about backfills from sources. */
export function backfillHandlers(rooms: BackfillRooms): BackfillHandlers {
  const { database } = rooms;
  return {
    async backfill({ environment: key, restart, identitiesPerSecond }, context) {
      const environment = await expectEnvironment(database, key);
      const rate = identitiesPerSecond === 0 ? rooms.identitiesPerSecond : identitiesPerSecond;
      return { backfill: await begin(rooms, environment, { restart, rate, context }) };
    },
    async refresh({ environment: key }, context) {
      const environment = await expectEnvironment(database, key);
      if (environment.state === 'off') throw indexOff(environment);
      rooms.sources.expect(environment);
      await refuseWithinCooldown(rooms, environment);
      return { backfill: await begin(rooms, environment, { restart: true, rate: rooms.identitiesPerSecond, context }) };
    },
    async getBackfill({ environment: key, id }) {
      const environment = await expectEnvironment(database, key);
      const found = await expectBackfill(database, environment, Number(id));
      return { backfill: await describe(database, environment, found) };
    },
    async listBackfills({ environment: key, pageSize, pageToken }) {
      const environment = await expectEnvironment(database, key);
      const limit = pageSizeOf(pageSize);
      const found = await listBackfills(database.sql, environment.id, readIdToken(pageToken) || undefined, limit + 1);
      const page = found.slice(0, limit);
      return {
        backfills: page.map((one) => backfillMessage(key, one)),
        nextPageToken: writeIdToken(found.length > limit ? page.at(-1)?.id : undefined),
      };
    },
    async cancelBackfill({ environment: key }, { actor }) {
      const environment = await expectEnvironment(database, key);
      const { backfill, revision } = await cancelBackfill(database, environment, actor);
      rooms.onCancelled(backfill);
      rooms.onCommitted(revision);
      return { backfill: await describe(database, environment, backfill) };
    },
  };
}

async function begin(
  { database, sources, onCommitted, onToLoad }: BackfillRooms,
  environment: Environment,
  { restart, rate, context }: { readonly restart: boolean; readonly rate: number; readonly context: CallContext },
) {
  const source = sources.expect(environment);
  const { backfill, revision } = await beginBackfill(database, environment, {
    source,
    sourceName: source,
    isSweeping: true,
    requestedBy: context.actor,
    identitiesPerSecond: rate,
    restart,
  }).catch(async (error: unknown) => {
    if (error instanceof RollcallError && error.reason === 'BACKFILL_RUNNING')
      await refuseWhileRunning(database, environment);
    throw error;
  });
  onCommitted(revision);
  onToLoad();
  return describe(database, environment, backfill);
}

/** Throws BACKFILL_RUNNING with its progress and when to ask again, where one runs. */
async function refuseWhileRunning(database: Database, environment: Environment): Promise<void> {
  const running = await newestBackfill(database.sql, environment.id);
  if (running?.state !== 'running') return;
  const progress = progressOf(running);
  const etaSeconds = etaSecondsOf(running, new Date());
  throw new RollcallError('BACKFILL_RUNNING', `a backfill of the environment '${environment.key}' is running`, {
    metadata: {
      environment: environment.key,
      backfill: String(running.id),
      ...(progress === undefined ? {} : { progress: progress.toFixed(3) }),
      retryAfterMs: String(etaSeconds === undefined ? RETRY_AFTER_MS : Math.ceil(etaSeconds * 1000)),
    },
  });
}

/** Throws BACKFILL_RUNNING, or REFRESH_COOLDOWN with the time left. */
async function refuseWithinCooldown(
  { database, refreshCooldownMs }: BackfillRooms,
  environment: Environment,
): Promise<void> {
  await refuseWhileRunning(database, environment);
  const leftMs = await refreshCooldownLeftMs(database.sql, environment.id, refreshCooldownMs);
  if (leftMs <= 0) return;
  throw new RollcallError(
    'REFRESH_COOLDOWN',
    `the environment '${environment.key}' was loaded less than ${refreshCooldownMs / 1000} s ago: it can be again in ${Math.ceil(leftMs / 1000)} s`,
    { metadata: { environment: environment.key, retryAfterMs: String(Math.ceil(leftMs)) } },
  );
}

/** The backfill with this id, or the newest for 0. Throws BACKFILL_NOT_FOUND. */
async function expectBackfill({ sql }: Database, environment: Environment, id: number): Promise<Backfill> {
  const found = id === 0 ? await newestBackfill(sql, environment.id) : await findBackfill(sql, environment.id, id);
  if (found !== undefined) return found;
  const which = id === 0 ? 'no backfill' : `no backfill ${id}`;
  throw new RollcallError('BACKFILL_NOT_FOUND', `there was ${which} of the environment '${environment.key}'`, {
    metadata: { environment: environment.key, ...(id === 0 ? {} : { backfill: String(id) }) },
  });
}

/** A backfill with the first rows that it skipped. */
async function describe({ sql }: Database, { key }: Environment, backfill: Backfill) {
  const skipped = backfill.rowsSkipped === 0 ? [] : await readSkippedRows(sql, backfill.id, SHOWN_SKIPPED);
  return backfillMessage(key, backfill, skipped);
}
