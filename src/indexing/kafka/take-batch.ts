import { setTimeout as sleep } from 'node:timers/promises';
import { RollcallError } from '../../core/errors.js';
import { toRollcallError } from '../../storage/database-errors.js';
import { applyBatch } from './apply-batch.js';
import { PartitionLost } from './apply-slice.js';
import { fetchedBatch } from './kafka-client.js';
import { standAt } from './partition-progress.js';
import { settleRange, stop } from './positioning.js';
import { retryWhileOurs } from './retry-while-ours.js';
import { readRow, type Taking } from './taking.js';

/** The next look finds the place of a partition that was added to its topic a moment ago. */
const UNPOSITIONED_PAUSE_MS = 500;
/** The broker that was to say what it has could not be asked. */
const UNREACHED_PAUSE_MS = 500;
const LOST_PAUSE_MS = 200;

/** Applies a fetched batch, as far as the partition stays ours. Never rejects: whatever fails shows in the partition's state. */
export async function takeBatch(taking: Taking): Promise<void> {
  const { progress, payload, signal } = taking;
  try {
    await taking.context.positioned();
    if (signal.aborted || payload.isStale() || !payload.isRunning() || progress.state === 'stopped') return;
    if (!progress.isPositioned) await sleep(UNPOSITIONED_PAUSE_MS);
    else if (await isNext(taking)) await applyBatch(taking);
  } catch (error) {
    if (signal.aborted) return;
    await (error instanceof PartitionLost ? findPlace(taking) : halt(taking, error)).catch((failure: unknown) => {
      taking.context.options.log('debug', { ...progress.place, err: failure }, 'a partition was taken away meanwhile');
    });
  }
}

/**
 * Whether the batch begins where the partition stands. The client silently fetches from elsewhere where Kafka's own committed offset differs, and where the
 * offset is out of range.
 */
async function isNext({ context, progress, payload, signal }: Taking): Promise<boolean> {
  const { fetchedOffset } = fetchedBatch(payload);
  if (fetchedOffset === progress.reached) return true;
  const range = await context.readRange(progress).catch(() => undefined);
  if (payload.isStale()) return false;
  if (range === undefined) {
    await sleep(UNREACHED_PAUSE_MS);
    context.seek(progress);
    return false;
  }
  const settle = () => settleRange(context, context.options, progress, range);
  if (!(await retryWhileOurs(progress, { log: context.options.log, signal }, settle))) {
    context.pause(progress);
    return false;
  }
  if (progress.isPositioned && fetchedOffset > progress.reached) {
    // It was fetched from `reached`, which the broker has: what lies between holds only control records or was compacted away.
    progress.reached = fetchedOffset;
    return true;
  }
  context.seek(progress);
  return false;
}

/** Lets go of what was fetched and goes on from where the partition's owner left it. If that was another, Kafka will take the partition from us soon. */
async function findPlace(taking: Taking): Promise<void> {
  const { context, progress } = taking;
  const row = await readRow(taking);
  context.options.log(
    'warn',
    { ...progress.place, expected: progress.nextOffset, found: row?.nextOffset, owner: row?.owner },
    'another owner advanced a partition; what was fetched of it is dropped',
  );
  if (row === undefined) {
    await halt(taking, new RollcallError('INTERNAL', 'its offset is gone from the database'));
    return;
  }
  standAt(progress, row.nextOffset);
  progress.owner = row.owner;
  context.seek(progress);
  await sleep(LOST_PAUSE_MS);
}

/** Stops the partition, and only it, for an operator to look at. */
async function halt({ context, progress, signal }: Taking, error: unknown): Promise<void> {
  const { log } = context.options;
  const reason = `it cannot be applied any further: ${toRollcallError(error).message}`;
  log('error', { ...progress.place, nextOffset: progress.nextOffset, err: error }, 'a partition is stopped');
  context.pause(progress);
  await retryWhileOurs(progress, { log, signal }, () => stop(context.database, progress, reason));
}
