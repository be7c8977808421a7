import { setTimeout as sleep } from 'node:timers/promises';
import { toRollcallError } from '../../storage/database-errors.js';
import type { NewDeadLetter } from '../../storage/dead-letters.js';
import { applySlice, PartitionLost, passOver, type Slice } from './apply-slice.js';
import { decodeSlice } from './decode-slice.js';
import { fetchedBatch } from './kafka-client.js';
import { readMessage } from './message.js';
import { standAt } from './partition-progress.js';
import { retryWhileOurs } from './retry-while-ours.js';
import { readRow, type Taking } from './taking.js';

const SECOND_TRY_PAUSE_MS = 200;
/** When so many messages in a row fail each alone, it is not them. */
const MAX_FAILURES_IN_A_ROW = 20;

/** Applies a batch that begins where its partition stands, slice by slice, until the partition is taken away. Throws PartitionLost, and what stops it. */
export async function applyBatch(taking: Taking): Promise<void> {
  for (const slice of slicesOf(taking)) {
    if (taking.signal.aborted) return;
    await applyOrSplit(taking, slice);
  }
}

function* slicesOf({ context, progress: { place }, payload }: Taking): Generator<Slice> {
  const { messages } = payload.batch;
  const { lastOffset } = fetchedBatch(payload);
  const { batchChanges } = context.options;
  for (let from = 0; from < messages.length; from += batchChanges) {
    const following = messages[from + batchChanges];
    yield {
      place,
      next: following === undefined ? lastOffset + 1 : Number(following.offset),
      messages: messages
        .slice(from, from + batchChanges)
        .map((message) => readMessage(place.topic, place.partition, message)),
    };
  }
}

/** Applies a slice; one that fails without saying which change is at fault is applied in halves, until that is found. */
async function applyOrSplit(taking: Taking, slice: Slice): Promise<void> {
  const { context, progress, signal } = taking;
  const startedMs = performance.now();
  const decoded = decodeSlice(slice.messages);
  try {
    const letters = await retryWhileOurs(progress, { log: context.options.log, signal }, () =>
      applySlice(context, slice, decoded, progress.nextOffset),
    );
    progress.failuresInARow = 0;
    settle(taking, slice, letters, startedMs);
  } catch (error) {
    if (signal.aborted) throw error;
    if (error instanceof PartitionLost) await settleIfOurs(taking, slice, startedMs);
    else if (slice.messages.length === 1) await applyAlone(taking, slice, startedMs);
    else for (const half of halves(slice)) await applyOrSplit(taking, half);
  }
}

function halves(slice: Slice): Slice[] {
  const middle = Math.ceil(slice.messages.length / 2);
  const [first, second] = [slice.messages.slice(0, middle), slice.messages.slice(middle)];
  return [
    { ...slice, messages: first, next: second[0]?.offset ?? slice.next },
    { ...slice, messages: second },
  ];
}

/** Tries a message that failed once more; then it goes to the dead letters. */
async function applyAlone(taking: Taking, slice: Slice, startedMs: number): Promise<void> {
  const { context, progress, signal } = taking;
  const { log } = context.options;
  await sleep(SECOND_TRY_PAUSE_MS);
  const again = await retryWhileOurs(progress, { log, signal }, () =>
    applySlice(context, slice, decodeSlice(slice.messages), progress.nextOffset),
  ).catch((error: unknown) => ({ error }));
  if (!('error' in again)) {
    settle(taking, slice, again, startedMs);
    return;
  }
  const { error } = again;
  const [message] = slice.messages;
  progress.failuresInARow++;
  if (error instanceof PartitionLost || signal.aborted || message === undefined) throw error;
  if (progress.failuresInARow > MAX_FAILURES_IN_A_ROW) throw error;
  log('error', { ...progress.place, offset: message.offset, err: error }, 'a message could not be applied');
  const letters = await retryWhileOurs(progress, { log, signal }, () =>
    passOver(context, slice, { message, error: toRollcallError(error) }, progress.nextOffset),
  );
  settle(taking, slice, letters, startedMs);
}

/** Notes a slice that was committed. */
function settle(
  { context, progress, payload }: Taking,
  slice: Slice,
  letters: readonly NewDeadLetter[],
  startedMs: number,
): void {
  const { topic, partition } = slice.place;
  const messages = slice.messages.length;
  standAt(progress, slice.next);
  progress.owner = context.owner;
  progress.messagesApplied += messages;
  progress.deadLettered += letters.length;
  payload.resolveOffset(String(slice.next - 1));
  if (letters.length > 0) context.onDeadLetters(letters);
  const now = Date.now();
  let bytes = 0;
  for (const { key, value } of slice.messages) bytes += (key?.length ?? 0) + (value?.length ?? 0);
  context.options.onApplied({
    topic,
    partition,
    messages,
    deadLetters: letters.length,
    bytes,
    durationMs: performance.now() - startedMs,
    oldestAgeMs: Math.max(0, now - (slice.messages[0]?.timestampMs ?? now)),
    newestAgeMs: Math.max(0, now - (slice.messages.at(-1)?.timestampMs ?? now)),
  });
}

/** The connection may have been lost during the commit, and the next try found the partition advanced by ourselves. */
async function settleIfOurs(taking: Taking, slice: Slice, startedMs: number): Promise<void> {
  const row = await readRow(taking);
  if (row?.nextOffset !== slice.next || row.owner !== taking.context.owner)
    throw new PartitionLost('another owner advanced the partition');
  settle(taking, slice, [], startedMs);
}
