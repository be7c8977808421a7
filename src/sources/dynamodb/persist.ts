import pRetry from 'p-retry';
import { isPassing } from './request-failures.js';

/** How long faults of the service are borne, beyond the SDK's own attempts. */
export interface Patience {
  readonly retries: number;
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
  /** How long one request may take. */
  readonly requestTimeoutMs: number;
}

/** Half a minute to a minute of throttling, less than an operator would wait for, more than a table takes to scale. */
export const DEFAULT_PATIENCE: Patience = {
  retries: 7,
  firstDelayMs: 250,
  longestDelayMs: 10_000,
  requestTimeoutMs: 20_000,
};

/** Does `work` again, later and later, while it fails by what may pass. Throws the signal's reason at once when that fires, else what `work` threw. */
export async function persist<T>(work: () => Promise<T>, patience: Patience, signal: AbortSignal): Promise<T> {
  const { retries, firstDelayMs, longestDelayMs } = patience;
  try {
    return await pRetry(() => orAborted(work(), signal), {
      retries,
      minTimeout: firstDelayMs,
      maxTimeout: longestDelayMs,
      randomize: true,
      signal,
      shouldRetry: ({ error }) => isPassing(error),
    });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** The SDK looks for credentials whatever the signal says. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort = (): void => undefined;
  const aborted = new Promise<undefined>((resolve) => {
    onAbort = () => resolve(undefined);
  });
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([work, aborted]);
    signal.throwIfAborted();
    return await work;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
