import { randomUUID } from 'node:crypto';
import { RollcallError } from '../../core/errors.js';
import type { IdentitySource } from '../../core/source.js';
import { BadRowPolicy, type IndexService, type LoadStart } from '../../gen/rollcall/v1/index_service_pb.js';
import type { Applier, CommittedRevision } from '../../indexing/applier.js';
import { beginBackfill } from '../../indexing/backfill/begin-backfill.js';
import { checkOrdinals, runBackfill } from '../../indexing/backfill/run-backfill.js';
import { createFileSource } from '../../sources/files/file-source.js';
import { type Backfill, findActiveBackfill, readSkippedRows } from '../../storage/backfills.js';
import type { Database } from '../../storage/database.js';
import type { Environment } from '../../storage/environments.js';
import { backfillMessage } from '../messages/backfill-messages.js';
import { fileLayoutOf } from '../messages/file-messages.js';
import { isReason } from '../messages/reason-messages.js';
import type { CallContext, Handlers } from '../transport/handlers.js';
import { expectEnvironment } from './environment-service.js';
import { openLoad } from './load-stream.js';

/** What loading files needs of the rooms around it. */
export interface LoadRooms {
  readonly database: Database;
  readonly applier: Applier;
  readonly onCommitted: (revision: CommittedRevision) => void;
}

/** Skipped rows that an answer shows. */
const SHOWN_SKIPPED = 10;

/** The handler of IndexService that loads files: the process that has the call drives the backfill. */
export function loadHandlers(rooms: LoadRooms): Pick<Handlers<typeof IndexService>, 'load'> {
  const { database } = rooms;
  return {
    async load(requests, context) {
      const { start, bytes } = await openLoad(requests, context.signal);
      const environment = await expectEnvironment(database, start.environment);
      const source = openSource(start, environment, bytes);
      checkOrdinals(environment, source);
      const begun = await begin(rooms, environment, start, context);
      const { backfill, revision } = await run(rooms, environment, begun, source);
      const skipped = await readSkippedRows(database.sql, backfill.id, SHOWN_SKIPPED);
      return {
        backfill: backfillMessage(environment.key, backfill, skipped, backfill.updatedAt),
        revision: BigInt(revision),
      };
    },
  };
}

function openSource(start: LoadStart, { key }: Environment, bytes: AsyncIterable<Uint8Array>): IdentitySource {
  const { fileName, idColumn, badRows, sizeBytes } = start;
  return createFileSource(bytes, {
    name: fileName === '' ? 'a file' : fileName,
    environmentKey: key,
    layout: fileLayoutOf(start),
    ordinalMode: idColumn === '' ? 'allotted' : 'given',
    badRows: badRows === BadRowPolicy.SKIP ? 'skip' : 'stop',
    ...(sizeBytes === undefined ? {} : { sizeBytes: Number(sizeBytes) }),
  });
}

async function begin(
  { database, onCommitted }: LoadRooms,
  environment: Environment,
  { fileName, complete, resume }: LoadStart,
  { actor }: CallContext,
): Promise<Backfill> {
  const failed = resume ? await expectFailed(database, environment) : undefined;
  const { backfill, revision } = await beginBackfill(database, environment, {
    source: 'file',
    sourceName: fileName,
    isSweeping: failed?.isSweeping ?? complete,
    requestedBy: actor,
    identitiesPerSecond: 0,
    restart: !resume,
  });
  onCommitted(revision);
  return backfill;
}

async function expectFailed({ sql }: Database, { id, key }: Environment): Promise<Backfill> {
  const active = await findActiveBackfill(sql, id);
  // One that runs is refused where it is begun.
  if (active?.source === 'file') return active;
  throw new RollcallError('BACKFILL_NOT_FOUND', `no load of a file into the environment '${key}' can be resumed`, {
    metadata: { environment: key },
  });
}

/** Runs it to its end. Throws what failed it, with all that the source said of it. */
async function run(
  { database, applier, onCommitted }: LoadRooms,
  environment: Environment,
  begun: Backfill,
  source: IdentitySource,
): Promise<{ readonly backfill: Backfill; readonly revision: number }> {
  let revision = begun.baseRevision;
  const watched = watchFailure(source);
  const backfill = await runBackfill(database, applier, environment, begun, watched.source, {
    // A caller who goes away ends the source: then the load has failed, and nobody else can go on with it.
    signal: new AbortController().signal,
    owner: randomUUID(),
    onCommitted: (committed) => {
      revision = committed.revision;
      onCommitted(committed);
    },
  });
  if (backfill?.state === 'done') return { backfill, revision };
  throw watched.failure() ?? notDone(environment, backfill);
}

/** The source, and what its reading failed by. */
function watchFailure(source: IdentitySource): { source: IdentitySource; failure: () => RollcallError | undefined } {
  let failure: RollcallError | undefined;
  const pages: IdentitySource['pages'] = async function* watched(after, signal) {
    try {
      yield* source.pages(after, signal);
    } catch (error) {
      if (error instanceof RollcallError && !signal.aborted) failure = error;
      throw error;
    }
  };
  return { source: { ...source, pages }, failure: () => failure };
}

function notDone({ key }: Environment, backfill: Backfill | undefined): RollcallError {
  const metadata = { environment: key };
  if (backfill === undefined)
    return new RollcallError('ENVIRONMENT_NOT_FOUND', `the environment '${key}' was deleted`, { metadata });
  const { state, errorReason, errorExplanation } = backfill;
  if (state === 'running') return new RollcallError('CONFLICT', 'the load was taken over', { metadata });
  return new RollcallError(isReason(errorReason) ? errorReason : 'INTERNAL', errorExplanation, { metadata });
}
