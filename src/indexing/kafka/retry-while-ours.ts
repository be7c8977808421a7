import pRetry from 'p-retry';
import { RollcallError } from '../../core/errors.js';
import type { FeedLog } from './feed-options.js';
import type { PartitionProgress } from './partition-progress.js';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;

/**
 * Does `work` again, later and later, while its errors are of the kind that passes, such as a database that is away; the partition waits visibly meanwhile.
 * Rejects with any other error, and where the signal is aborted because the partition is ours no more.
 */
export async function retryWhileOurs<T>(
  progress: PartitionProgress,
  { log, signal }: { readonly log: FeedLog; readonly signal: AbortSignal },
  work: () => Promise<T>,
): Promise<T> {
  let outcome: { readonly result: T } | undefined;
  const attempt = async (): Promise<void> => {
    outcome = { result: await work() };
  };
  const attempts = pRetry(attempt, {
    retries: Infinity,
    minTimeout: FIRST_DELAY_MS,
    maxTimeout: LONGEST_DELAY_MS,
    randomize: true,
    signal,
    shouldRetry: ({ error }) => isPassing(error),
    onFailedAttempt({ error, attemptNumber }) {
      if (!isPassing(error)) return;
      progress.state = 'waiting';
      progress.reason = error.message;
      log(
        attemptNumber === 1 ? 'warn' : 'debug',
        { ...progress.place, err: error, attemptNumber },
        'a partition waits',
      );
    },
  });
  await attempts.catch((error: unknown) => {
    // What was done counts, also where the partition was taken from us meanwhile.
    if (outcome === undefined) throw error;
  });
  if (outcome === undefined) throw new RollcallError('INTERNAL', 'an attempt ended without an outcome');
  if (progress.state === 'waiting' && !signal.aborted) {
    progress.state = 'running';
    progress.reason = '';
  }
  return outcome.result;
}

/** Whether the same may succeed later without anything being changed. */
function isPassing(error: unknown): boolean {
  return error instanceof RollcallError && (error.isRetryable || error.reason === 'DEADLINE_EXCEEDED');
}
