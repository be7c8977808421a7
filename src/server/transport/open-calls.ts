import { RollcallError } from '../../core/errors.js';
import type { CallSignal } from './call-signal.js';

/** The calls that a server has open, so that stopping can end them. */
export interface OpenCalls {
  /** Keeps the call until what this returns is called. */
  add(call: CallSignal): () => void;
  /** Ends every call with CANCELLED. */
  endAll(): void;
}

/** No calls yet. */
export function createOpenCalls(): OpenCalls {
  const calls = new Set<CallSignal>();
  return {
    add(call) {
      calls.add(call);
      return () => calls.delete(call);
    },
    endAll() {
      for (const call of calls) call.fail(new RollcallError('CANCELLED', 'the server is stopping'));
    },
  };
}
