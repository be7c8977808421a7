import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { SkippedRow } from '../../core/source.js';
import {
  type BackfillSchema,
  BackfillState as StateMessage,
  BackfillUnit as UnitMessage,
} from '../../gen/rollcall/v1/index_service_pb.js';
import type { Backfill, BackfillState } from '../../storage/backfills.js';
import { reasonMessage } from './reason-messages.js';

const STATES = {
  running: StateMessage.RUNNING,
  done: StateMessage.DONE,
  failed: StateMessage.FAILED,
  cancelled: StateMessage.CANCELLED,
} satisfies Record<BackfillState, StateMessage>;

const UNITS = {
  '': UnitMessage.UNSPECIFIED,
  identities: UnitMessage.IDENTITIES,
  bytes: UnitMessage.BYTES,
} satisfies Record<Backfill['unit'], UnitMessage>;

/** A backfill of an environment, `now` being the database's time, with the first rows that it skipped. */
export function backfillMessage(
  environmentKey: string,
  backfill: Backfill,
  skipped: readonly Omit<SkippedRow, 'environmentKey'>[] = [],
  now = new Date(),
): MessageInitShape<typeof BackfillSchema> {
  const { position, total, finishedAt } = backfill;
  const etaSeconds = etaSecondsOf(backfill, now);
  return {
    id: BigInt(backfill.id),
    environment: environmentKey,
    source: backfill.sourceName,
    state: STATES[backfill.state],
    first: backfill.isFirst,
    sweeps: backfill.isSweeping,
    baseRevision: BigInt(backfill.baseRevision),
    requestedBy: backfill.requestedBy,
    startedAt: timestampFromDate(backfill.startedAt),
    updatedAt: timestampFromDate(backfill.updatedAt),
    ...(finishedAt === null ? {} : { finishedAt: timestampFromDate(finishedAt) }),
    identitiesRead: BigInt(backfill.identitiesRead),
    identitiesChanged: BigInt(backfill.identitiesChanged),
    identitiesSwept: BigInt(backfill.identitiesSwept),
    rowsSkipped: BigInt(backfill.rowsSkipped),
    skipped: skipped.map(({ where, identifier, reason, explanation }) => ({
      place: where,
      identifier,
      reason: reasonMessage(reason),
      explanation,
    })),
    ...(position === null ? {} : { position: BigInt(position) }),
    ...(total === null ? {} : { total: BigInt(total) }),
    unit: UNITS[backfill.unit],
    identitiesPerSecond: perSecond(backfill.identitiesRead - backfill.readBefore, secondsOf(backfill, now)),
    ...(etaSeconds === undefined ? {} : { etaSeconds }),
    error: errorOf(backfill),
    resumed: backfill.resumed,
  };
}

/** How much of the source is read, 0 to 1; undefined where that is not known. An estimate may be passed: then it stays just below 1. */
export function progressOf({
  state,
  hasReadAll,
  position,
  total,
}: Pick<Backfill, 'state' | 'hasReadAll' | 'position' | 'total'>): number | undefined {
  if (state === 'done' || hasReadAll) return 1;
  if (position === null || total === null || total === 0) return undefined;
  return Math.min(position / total, MOST_PROGRESS);
}

const MOST_PROGRESS = 0.99;

/** When a running backfill will have read everything, at the rate so far; undefined where that is not known. */
export function etaSecondsOf(backfill: Backfill, now: Date): number | undefined {
  const { state, position, positionBefore, total } = backfill;
  if (state !== 'running' || position === null || position <= positionBefore || total === null) return undefined;
  return (secondsOf(backfill, now) * Math.max(0, total - position)) / (position - positionBefore);
}

/** Since it was taken up: what lies before, a failure among it, says nothing of its rate. */
function secondsOf({ takenUpAt, finishedAt }: Backfill, now: Date): number {
  return takenUpAt === null ? 0 : Math.max(0, (finishedAt ?? now).getTime() - takenUpAt.getTime()) / 1000;
}

function perSecond(count: number, seconds: number): number {
  return seconds > 0 ? count / seconds : 0;
}

function errorOf({ errorReason, errorExplanation }: Backfill): string {
  return errorReason === '' ? '' : `${errorReason}: ${errorExplanation}`;
}
