import { RollcallError } from '../../core/errors.js';
import { ConnectionLease } from './connection-lease.js';
import { abortError } from '../database-errors.js';
import type { DriverSql } from './driver.js';

interface Waiter {
  give(lease: ConnectionLease): void;
  refuse(error: RollcallError): void;
}

export interface ConnectionLeasesOptions {
  readonly maxLeases: number;
  /** How long to wait for a connection to become free. */
  readonly acquireTimeoutMs: number;
  readonly connect: (onClose: () => void) => DriverSql;
  /** Ends a process of Postgres by its id. */
  readonly terminate: (pid: number) => void;
}

/** A bounded pool of connections, each lent to one piece of work at a time, first come first served. */
export class ConnectionLeases {
  readonly #options: ConnectionLeasesOptions;
  readonly #leases = new Set<ConnectionLease>();
  readonly #idle: ConnectionLease[] = [];
  readonly #waiters = new Set<Waiter>();
  #isClosed = false;

  constructor(options: ConnectionLeasesOptions) {
    this.#options = options;
  }

  /** How many connections are lent at most at once. */
  get limit(): number {
    return this.#options.maxLeases;
  }

  /** Lends a connection to `work`. Aborting ends the wait for one; it is up to `work` to honour the signal after that. */
  async lend<T>(signal: AbortSignal | undefined, work: (lease: ConnectionLease) => Promise<T>): Promise<T> {
    const lease = await this.#acquire(signal);
    try {
      return await work(lease);
    } finally {
      this.#release(lease);
    }
  }

  /** Lends no more, waits for what is lent for at most `timeoutMs`, then cuts it off. */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosed = true;
    for (const waiter of this.#waiters) waiter.refuse(closedError());
    for (const lease of this.#idle.splice(0)) this.#discard(lease);
    const deadline = Date.now() + timeoutMs;
    while (this.#leases.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const lease of this.#leases) this.#discard(lease);
  }

  async #acquire(signal: AbortSignal | undefined): Promise<ConnectionLease> {
    if (signal?.aborted === true) throw abortError(signal);
    if (this.#isClosed) throw closedError();
    for (let lease = this.#idle.pop(); lease !== undefined; lease = this.#idle.pop()) {
      if (!lease.isLost) return lease;
      this.#discard(lease);
    }
    return this.#leases.size < this.#options.maxLeases ? this.#open() : this.#wait(signal);
  }

  #open(): ConnectionLease {
    const lease = new ConnectionLease(this.#options.connect, this.#options.terminate);
    this.#leases.add(lease);
    return lease;
  }

  #wait(signal: AbortSignal | undefined): Promise<ConnectionLease> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        this.#waiters.delete(waiter);
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      const waiter: Waiter = {
        give: (lease) => settle(() => resolve(lease)),
        refuse: (error) => settle(() => reject(error)),
      };
      const onAbort = (): void => waiter.refuse(signal === undefined ? closedError() : abortError(signal));
      const timer = setTimeout(() => waiter.refuse(busyError()), this.#options.acquireTimeoutMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  #release(lease: ConnectionLease): void {
    const isReusable = !lease.isLost && !this.#isClosed;
    if (!isReusable) this.#discard(lease);
    const [waiter] = this.#waiters;
    if (waiter !== undefined) waiter.give(isReusable ? lease : this.#open());
    else if (isReusable) this.#idle.push(lease);
  }

  #discard(lease: ConnectionLease): void {
    this.#leases.delete(lease);
    lease.cut();
  }
}

function closedError(): RollcallError {
  return new RollcallError('DATABASE_UNAVAILABLE', 'The connections to the database are closed');
}

function busyError(): RollcallError {
  return new RollcallError('DATABASE_UNAVAILABLE', 'No connection to the database became free in time');
}
