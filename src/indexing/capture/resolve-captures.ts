import { readReleasable, writeCaptures } from '../../storage/captures.js';
import type { Sql } from '../../storage/database.js';
import type { Place } from '../../storage/kafka-offsets.js';
import { CaptureBatch } from './capture-batch.js';
import type { CapturedMessage, RefusedMessage, ResolvedMessage } from './captured-messages.js';
import { loadCaptures } from './load-captures.js';

/** What captured rows come to. */
export interface ResolvedCaptures {
  /** In the order in which they are to be applied: a row that had waited comes right after the one that it waited for. */
  readonly resolved: readonly ResolvedMessage[];
  readonly refused: readonly RefusedMessage[];
  /** Writes the captured state; belongs in the transaction that applies the changes and moves the partition on (I2). Throws CONFLICT: resolve again. */
  write(tx: Sql): Promise<void>;
}

/**
 * The changes that captured rows of one partition come to, with those of its rows that had waited and need not any more; without messages only the latter. It
 * reads outside of the transaction: only one owner can move the partition on (I7), so nobody else changes what it has read of its identities.
 */
export async function resolveCaptures(
  sql: Sql,
  place: Place,
  messages: readonly CapturedMessage[],
): Promise<ResolvedCaptures> {
  const batch = new CaptureBatch(await loadCaptures(sql, place, messages));
  batch.release();
  for (const message of messages) batch.put(message);
  batch.release();
  const writes = batch.writes();
  return { resolved: batch.resolved, refused: batch.refused, write: (tx) => writeCaptures(tx, place, writes) };
}

/** Whether rows of the partition had waited for another partition's and can go: then a batch is due, even an empty one. */
export async function hasReleasableCaptures(sql: Sql, place: Place): Promise<boolean> {
  return (await readReleasable(sql, place, 1)).length > 0;
}
