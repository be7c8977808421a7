import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { RollcallError } from '../../core/errors.js';
import {
  type EnvironmentStatusSchema,
  EnvironmentState,
  type GetStatusResponseSchema,
} from '../../gen/rollcall/v1/index_service_pb.js';
import type { FeedStatus } from '../../indexing/kafka/feed-status.js';
import type { EnvironmentIndex } from '../../query/environment-index.js';
import type { EnvironmentIndexes } from '../../query/environment-indexes.js';
import { readAtoms } from '../../storage/atoms.js';
import { newestBackfill } from '../../storage/backfills.js';
import { cardinalities } from '../../storage/chunks.js';
import type { Database, Sql } from '../../storage/database.js';
import { summarizeDeadLetters } from '../../storage/dead-letter-selection.js';
import { readTrouble } from '../../storage/environment-health.js';
import { type Environment, listEnvironments, readHead } from '../../storage/environments.js';
import { measureLog } from '../../storage/log.js';
import { readQuarantine } from '../../storage/quarantine.js';
import { highestOrdinal } from '../../storage/scans.js';
import { atomStatus } from '../messages/atom-messages.js';
import { backfillMessage } from '../messages/backfill-messages.js';
import { feedStatusMessage } from '../messages/feed-messages.js';
import type { VisibilityDelay } from '../metrics/visibility-window.js';
import { expectEnvironment } from './environment-service.js';

/** Where the status is read from. */
export interface StatusRooms {
  readonly database: Database;
  readonly indexes: EnvironmentIndexes;
  readonly readFeed: () => FeedStatus | Promise<FeedStatus>;
  readonly readVisibility: () => VisibilityDelay;
}

const MAX_ENVIRONMENTS = 10_000;
const MAX_QUARANTINED = 10;

/** The state of the environment with this key, or of all; with each atom if wanted. Throws ENVIRONMENT_NOT_FOUND. */
export async function readStatus(
  rooms: StatusRooms,
  key: string,
  includeAtoms: boolean,
): Promise<MessageInitShape<typeof GetStatusResponseSchema>> {
  const { database } = rooms;
  const wanted =
    key === '' ? await listEnvironments(database.sql, '', MAX_ENVIRONMENTS) : [await expectEnvironment(database, key)];
  const environments: EnvironmentStatus[] = [];
  for (const one of wanted) {
    const status = await statusOf(rooms, one, includeAtoms).catch((error: unknown) => {
      if (key === '' && isGone(error)) return undefined;
      throw error;
    });
    if (status !== undefined) environments.push(status);
  }
  const feed = feedStatusMessage(
    await rooms.readFeed(),
    await summarizeDeadLetters(database.sql),
    rooms.readVisibility(),
  );
  return { environments, totals: totalsOf(environments), feed };
}

type EnvironmentStatus = MessageInitShape<typeof EnvironmentStatusSchema>;

async function statusOf(
  { database: { sql }, indexes }: StatusRooms,
  environment: Environment,
  includeAtoms: boolean,
): Promise<EnvironmentStatus> {
  const index = await indexes.get(environment.key);
  const isAnswering = environment.state !== 'off' && (await canAnswer(index));
  const { identities = 0, asOf, isLoaded } = index;
  const { state, reason } = await stateOf(sql, environment, isAnswering);
  const head = await readHead(sql, environment.id);
  const atoms = await readAtoms(sql, environment.id);
  const log = await measureLog(sql, environment.id, 0);
  const ready = atoms.filter(({ state }) => state === 'ready').length;
  const quarantined = await readQuarantine(sql, environment.id, MAX_QUARANTINED);
  const counts = includeAtoms ? await cardinalities(sql, environment.id) : new Map<number, number>();
  const backfill = await newestBackfill(sql, environment.id);
  const highest = includeAtoms ? await highestOrdinal(sql, environment.id) : 0;
  return {
    environment: environment.key,
    state,
    stateReason: reason,
    identities: BigInt(identities),
    revision: BigInt(head?.revision ?? 0),
    catalogRevision: BigInt(head?.catalogRevision ?? 0),
    ...(isLoaded ? { asOf: timestampFromDate(asOf) } : {}),
    logRevisions: BigInt(log.revisions),
    logBytes: BigInt(log.bytes),
    atomsReady: BigInt(ready),
    atomsBuilding: BigInt(atoms.length - ready),
    atoms: includeAtoms ? atoms.map((atom) => atomStatus(atom, counts.get(atom.id) ?? 0, highest)) : [],
    ...(backfill === undefined ? {} : { backfill: backfillMessage(environment.key, backfill) }),
    quarantinedIdentities: BigInt(quarantined.count),
    quarantined: quarantined.first.map(({ identifier, since }) => ({
      identifier,
      quarantinedAt: timestampFromDate(since),
    })),
  };
}

/** What is stored counts, not what is in memory. */
async function stateOf(
  sql: Sql,
  { id, state, stateReason }: Environment,
  isAnswering: boolean,
): Promise<{ readonly state: EnvironmentState; readonly reason: string }> {
  if (state === 'off') return { state: EnvironmentState.OFF, reason: `INDEX_OFF: ${stateReason}` };
  if (state === 'failed') return { state: EnvironmentState.FAILED, reason: stateReason };
  if (state === 'loading' || !isAnswering) return { state: EnvironmentState.LOADING, reason: '' };
  const trouble = await readTrouble(sql, id);
  return { state: trouble === '' ? EnvironmentState.READY : EnvironmentState.DEGRADED, reason: trouble };
}

/** Whether the universe is in memory by now: while it is being built, the environment refuses reads. */
async function canAnswer(index: EnvironmentIndex): Promise<boolean> {
  try {
    await index.loadUniverse();
    return true;
  } catch (error) {
    if (error instanceof RollcallError && (error.reason === 'ATOM_BUILDING' || error.reason === 'INDEX_CORRUPT'))
      return false;
    throw error;
  }
}

/** Whether an environment was deleted since it was listed. */
function isGone(error: unknown): boolean {
  return error instanceof RollcallError && error.reason === 'ENVIRONMENT_NOT_FOUND';
}

function totalsOf(environments: readonly EnvironmentStatus[]) {
  const sum = (of: (status: EnvironmentStatus) => bigint | undefined): bigint =>
    environments.reduce((total, status) => total + (of(status) ?? 0n), 0n);
  return {
    environments: BigInt(environments.length),
    identities: sum(({ identities }) => identities),
    atomsReady: sum(({ atomsReady }) => atomsReady),
    atomsBuilding: sum(({ atomsBuilding }) => atomsBuilding),
    logBytes: sum(({ logBytes }) => logBytes),
  };
}
