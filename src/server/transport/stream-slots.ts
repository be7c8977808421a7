import { RollcallError } from '../../core/errors.js';

/** Bounds how many streams each caller, an address without its port, has open at once, over all transports. */
export interface StreamSlots {
  /**
   * Takes a place for one stream of the peer and returns what gives it back, once however often it is called.
   *
   * @throws RollcallError TOO_MANY_STREAMS
   */
  take(peer: string): () => void;
}

/** Slots for at most `maxStreamsPerCaller` streams of a caller. */
export function createStreamSlots(maxStreamsPerCaller: number): StreamSlots {
  const open = new Map<string, number>();
  const release = (caller: string): void => {
    const left = (open.get(caller) ?? 1) - 1;
    if (left > 0) open.set(caller, left);
    else open.delete(caller);
  };
  return {
    take(peer) {
      const caller = peer.slice(0, peer.lastIndexOf(':'));
      const taken = open.get(caller) ?? 0;
      if (taken >= maxStreamsPerCaller) throw tooMany(maxStreamsPerCaller);
      open.set(caller, taken + 1);
      let isHeld = true;
      return () => {
        if (isHeld) release(caller);
        isHeld = false;
      };
    },
  };
}

function tooMany(limit: number): RollcallError {
  const text = `at most ${String(limit)} streams may be open at once`;
  return new RollcallError('TOO_MANY_STREAMS', text, { metadata: { limit: String(limit) } });
}
