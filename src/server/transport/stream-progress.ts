import type { Writable } from 'node:stream';
import { RollcallError } from '../../core/errors.js';

/**
 * Waits until a stream whose `write` returned false can be written to again. Any message read counts as progress.
 *
 * @throws the signal's reason; RollcallError STREAM_STALLED when nothing was read for `timeoutMs` (noticed within twice
 *   that time)
 */
export async function drained(stream: Writable, signal: AbortSignal, timeoutMs: number): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stopWatching = watchProgress(stream, timeoutMs, () => {
      settle(stalled(timeoutMs));
    });
    const onDrain = (): void => {
      settle();
    };
    const onAbort = (): void => {
      settle();
    };
    const settle = (error?: RollcallError): void => {
      stopWatching();
      stream.off('drain', onDrain);
      signal.removeEventListener('abort', onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    stream.on('drain', onDrain);
    signal.addEventListener('abort', onAbort);
  });
  signal.throwIfAborted();
}

/** Calls `onStalled` each time that `timeoutMs` passed without a message read; returns what ends the watch. */
export function watchProgress(stream: Writable, timeoutMs: number, onStalled: () => void): () => void {
  let waiting = stream.writableLength;
  const timer = setInterval(() => {
    if (stream.writableLength >= waiting) onStalled();
    waiting = stream.writableLength;
  }, timeoutMs);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}

/** The error of a caller that reads nothing. */
export function stalled(timeoutMs: number): RollcallError {
  const text = 'nothing of the stream was read for too long; go on from the last cursor';
  return new RollcallError('STREAM_STALLED', text, { metadata: { timeoutMs: String(timeoutMs) } });
}
