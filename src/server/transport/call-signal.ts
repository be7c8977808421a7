import { RollcallError } from '../../core/errors.js';

/** An AbortSignal for one call, with a RollcallError as its reason. */
export interface CallSignal {
  readonly signal: AbortSignal;
  /** The caller went away, or the transport ended the call. Without effect once finished. */
  readonly cancel: () => void;
  /** Ends the call for this reason. Without effect once finished. */
  readonly fail: (reason: RollcallError) => void;
  /** The call is over: nothing aborts it any more. */
  readonly finish: () => void;
}

// The longest that a timer can run: 24.8 days.
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A signal that aborts at the deadline, or when told to. */
export function createCallSignal(deadline: Date | undefined): CallSignal {
  const controller = new AbortController();
  const isPast = (): boolean => deadline !== undefined && deadline.getTime() <= Date.now();
  let isFinished = false;
  const fail = (reason: RollcallError): void => {
    if (!isFinished && !controller.signal.aborted) controller.abort(reason);
  };
  const cancel = (): void => {
    if (isFinished || controller.signal.aborted) return;
    fail(isPast() ? deadlineExceeded() : new RollcallError('CANCELLED', 'the call was cancelled'));
  };
  const timer = deadlineTimer(deadline, () => {
    fail(deadlineExceeded());
  });
  return {
    signal: controller.signal,
    cancel,
    fail,
    finish() {
      isFinished = true;
      clearTimeout(timer);
    },
  };
}

function deadlineTimer(deadline: Date | undefined, onDeadline: () => void): NodeJS.Timeout | undefined {
  const delayMs = (deadline?.getTime() ?? Infinity) - Date.now();
  return delayMs > MAX_TIMER_MS ? undefined : setTimeout(onDeadline, delayMs);
}

function deadlineExceeded(): RollcallError {
  return new RollcallError('DEADLINE_EXCEEDED', 'the deadline passed');
}
