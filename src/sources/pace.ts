import { setTimeout as delay } from 'node:timers/promises';

/** Holds what is taken from a source to a rate, on average. */
export interface Pace {
  /**
   * Resolves when this amount, and all that was taken before it, is paid for by the time that has passed. An idle time is not saved up, so there are no bursts.
   * Throws the signal's reason at once when that fires; the amount stays taken.
   */
  take(amount: number, signal: AbortSignal): Promise<void>;
}

/** Without a rate everything is free. Rates are units a second, more than 0. */
export function createPace(perSecond: number | undefined): Pace {
  let paidAt = 0;
  return {
    async take(amount, signal) {
      signal.throwIfAborted();
      if (perSecond === undefined) return;
      paidAt = Math.max(paidAt, performance.now()) + (amount / perSecond) * 1000;
      await waitUntil(paidAt, signal);
    },
  };
}

/** Timers may fire a little early, and hold no more than 2^31 - 1 ms. */
async function waitUntil(time: number, signal: AbortSignal): Promise<void> {
  for (let left = time - performance.now(); left > 0; left = time - performance.now())
    await delay(Math.min(Math.ceil(left), LONGEST_TIMER_MS), undefined, { signal }).catch(() => {
      signal.throwIfAborted();
    });
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;
