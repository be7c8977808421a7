import { RollcallError } from '../../core/errors.js';

// The longest that a timer can run: 24.8 days.
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The end of one call, told by an AbortSignal to those who ask for one. The signal and its timer are made when it is first asked for: most calls never need them. */
export class CallSignal {
  readonly deadline: Date | undefined;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reason: RollcallError | undefined;
  #isFinished = false;

  constructor(deadline: Date | undefined) {
    this.deadline = deadline;
  }

  /** Aborts at the deadline, or when told to, with a RollcallError as its reason. */
  get signal(): AbortSignal {
    return (this.#controller ??= this.#watch()).signal;
  }

  /** Why the call was ended; undefined while it was not. */
  get reason(): RollcallError | undefined {
    return this.#reason;
  }

  /** The caller went away, or the transport ended the call. Without effect once finished. */
  cancel(): void {
    if (this.#isFinished || this.#reason !== undefined) return;
    this.fail(this.#leftMs() <= 0 ? deadlineExceeded() : new RollcallError('CANCELLED', 'the call was cancelled'));
  }

  /** Ends the call for this reason. Without effect once finished. */
  fail(reason: RollcallError): void {
    if (this.#isFinished || this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  /** The call is over: nothing aborts it any more. */
  finish(): void {
    this.#isFinished = true;
    clearTimeout(this.#timer);
  }

  #watch(): AbortController {
    const controller = new AbortController();
    const leftMs = this.#leftMs();
    if (this.#reason !== undefined) controller.abort(this.#reason);
    else if (!this.#isFinished && leftMs <= MAX_TIMER_MS)
      this.#timer = setTimeout(() => {
        this.fail(deadlineExceeded());
      }, leftMs);
    return controller;
  }

  #leftMs(): number {
    return (this.deadline?.getTime() ?? Infinity) - Date.now();
  }
}

function deadlineExceeded(): RollcallError {
  return new RollcallError('DEADLINE_EXCEEDED', 'the deadline passed');
}
