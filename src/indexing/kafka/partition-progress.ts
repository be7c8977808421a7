import pLimit, { type LimitFunction } from 'p-limit';
import type { Place } from '../../storage/kafka-offsets.js';
import type { PartitionState } from './feed-status.js';

/** What this process knows of one partition. Offsets are of messages. */
export interface PartitionProgress {
  readonly place: Place;
  /** What moves the partition on waits its turn. */
  readonly inTurn: LimitFunction;
  isAssigned: boolean;
  state: PartitionState;
  reason: string;
  owner: string;
  /** What Postgres holds: the next message to apply. */
  nextOffset: number;
  /** At least `nextOffset`: between the two the partition holds no message. The next fetch shall begin here. */
  reached: number;
  /** Whether the client was told to fetch from `reached` since the partition was assigned: from then on only the broker can have sent it elsewhere. */
  isPositioned: boolean;
  low: number | undefined;
  high: number | undefined;
  watermarkMs: number | undefined;
  messagesApplied: number;
  deadLettered: number;
  /** Messages put away one after the other because each of them alone made its transaction fail. */
  failuresInARow: number;
}

export function startProgress(place: Place, nextOffset: number): PartitionProgress {
  return {
    place,
    inTurn: pLimit(1),
    isAssigned: false,
    state: 'elsewhere',
    reason: '',
    owner: '',
    nextOffset,
    reached: nextOffset,
    isPositioned: false,
    low: undefined,
    high: undefined,
    watermarkMs: undefined,
    messagesApplied: 0,
    deadLettered: 0,
    failuresInARow: 0,
  };
}

/** Takes what Postgres says. */
export function standAt(progress: PartitionProgress, nextOffset: number): void {
  if (progress.nextOffset !== nextOffset || progress.reached < nextOffset) progress.reached = nextOffset;
  progress.nextOffset = nextOffset;
}

/**
 * Passes over a fetch that held nothing to apply, only what transactions leave behind; the client hands none of it over. Where it does not begin at `reached`,
 * nothing is known of what lies before.
 */
export function passOverEmpty(
  progress: PartitionProgress,
  fetched: { readonly firstOffset: string | null; readonly lastOffset: string },
): void {
  const last = Number(fetched.lastOffset);
  const first = fetched.firstOffset === null ? last : Number(fetched.firstOffset);
  if (progress.isPositioned && first === progress.reached && last >= first) progress.reached = last + 1;
}

/** Where a partition goes on. */
export type Verdict = { readonly kind: 'in range' } | { readonly kind: 'out of range'; readonly reason: string };

/** Whether the broker has what comes next. A partition at its end is in range. */
export function checkRange(reached: number, low: number, high: number): Verdict {
  if (reached < low) {
    const reason = `messages ${reached} to ${low - 1} were never applied and the broker has them no more`;
    return { kind: 'out of range', reason };
  }
  if (reached > high) {
    const reason = `everything before message ${reached} is applied, but the broker's partition ends at ${high}: it was made anew or lost messages`;
    return { kind: 'out of range', reason };
  }
  return { kind: 'in range' };
}

/** What the client commits for a group whose offset was out of range. */
const COMMITTED_OUT_OF_RANGE = -2;

/** How the offset that the group committed to Kafka relates to where Postgres says that the partition stands; only a hint for other tools. */
export function compareCommitted(committed: number | undefined, nextOffset: number, low: number): string {
  if (committed === COMMITTED_OUT_OF_RANGE) return 'expired';
  if (committed === undefined || committed < 0) return 'missing';
  if (committed < low) return 'expired';
  if (committed === nextOffset) return 'the same';
  return committed < nextOffset ? 'behind' : 'ahead';
}
