import type { AppliedBatch } from '../../indexing/kafka/feed-status.js';

/** How soon the messages of the last minute were visible; without messages the rest says nothing. */
export interface VisibilityDelay {
  readonly messages: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** An age and how many messages had it. */
export interface WeighedAge {
  readonly ageMs: number;
  readonly messages: number;
}

const SLOT_MS = 10_000;
const SLOTS = 6;
/** Buckets grow by a tenth, from 1 ms to more than a day: a percentile is right to 5 %. */
const GROWTH = 1.1;
const BUCKETS = 200;
/** Ages that stand for a batch: they lie evenly between its newest and oldest message. */
const AGES_OF_A_BATCH = 8;

interface Slot {
  /** Which span of 10 s it holds. */
  number: number;
  readonly counts: Float64Array;
}

/** The ages of a batch's messages at its commit. */
export function agesOf({ messages, newestAgeMs, oldestAgeMs }: AppliedBatch): WeighedAge[] {
  const count = Math.min(messages, AGES_OF_A_BATCH);
  const step = count > 1 ? (oldestAgeMs - newestAgeMs) / (count - 1) : 0;
  return Array.from({ length: count }, (_, index) => ({
    ageMs: Math.max(0, newestAgeMs + index * step),
    messages: messages / count,
  }));
}

/** The ages of the last minute's messages, in fixed memory. Times are milliseconds of one clock. */
export class VisibilityWindow {
  readonly #slots: readonly Slot[] = Array.from({ length: SLOTS }, () => ({
    number: -1,
    counts: new Float64Array(BUCKETS),
  }));

  add(ages: readonly WeighedAge[], nowMs: number): void {
    const number = Math.floor(nowMs / SLOT_MS);
    const slot = this.#slots[number % SLOTS];
    if (slot === undefined) return;
    if (slot.number !== number) {
      slot.counts.fill(0);
      slot.number = number;
    }
    for (const { ageMs, messages } of ages) {
      const bucket = bucketOf(ageMs);
      slot.counts[bucket] = (slot.counts[bucket] ?? 0) + messages;
    }
  }

  read(nowMs: number): VisibilityDelay {
    const oldest = Math.floor(nowMs / SLOT_MS) - SLOTS + 1;
    const counts = new Float64Array(BUCKETS);
    for (const slot of this.#slots) {
      if (slot.number >= oldest)
        slot.counts.forEach((count, bucket) => (counts[bucket] = (counts[bucket] ?? 0) + count));
    }
    const messages = counts.reduce((sum, count) => sum + count, 0);
    return {
      messages: Math.round(messages),
      p50Ms: percentile(counts, messages * 0.5),
      p99Ms: percentile(counts, messages * 0.99),
    };
  }
}

function bucketOf(ageMs: number): number {
  return ageMs <= 1 ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(ageMs) / Math.log(GROWTH)));
}

/** The upper bound of the bucket in which the `rank`-th message is. */
function percentile(counts: Float64Array, rank: number): number {
  if (rank === 0) return 0;
  let reached = 0;
  const bucket = counts.findIndex((count) => (reached += count) >= rank - 1e-6);
  return bucket <= 0 ? 1 : GROWTH ** bucket;
}
