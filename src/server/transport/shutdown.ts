import { setTimeout as delay } from 'node:timers/promises';

/** How long calls that the server ended have to send their status before their connections are closed. */
export const STATUS_GRACE_MS = 500;

/** Whether the promise resolves within the time; no timer is left behind. */
export async function endsWithin(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  const timeout = new AbortController();
  const expiry = delay(timeoutMs, false, { signal: timeout.signal }).catch(() => false);
  const isEnded = await Promise.race([promise.then(() => true), expiry]);
  timeout.abort();
  return isEnded;
}
