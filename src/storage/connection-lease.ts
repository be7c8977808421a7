import { RollcallError } from '../core/errors.js';
import type { DriverSql } from './driver.js';

interface Statement extends Promise<unknown> {
  cancel(): unknown;
}

/**
 * One connection that serves one piece of work at a time, such as a transaction, and is thrown away once it was lost.
 *
 * The driver's own `begin` and `reserve` reconnect silently: the statements after a lost connection would run and
 * commit outside of their transaction (https://github.com/porsager/postgres/pull/1155), or end the process
 * (https://github.com/porsager/postgres/issues/1208). Here nothing runs any more on a lease that was lost.
 */
export class ConnectionLease {
  readonly #client: DriverSql;
  readonly #running = new Set<Statement>();
  #isLost = false;
  #use = 0;
  #silenceLimitMs = 0;
  #silence: NodeJS.Timeout | undefined;

  /** `connect` opens a driver of one connection. */
  constructor(connect: (onClose: () => void) => DriverSql) {
    this.#client = connect(() => {
      this.#lose();
    });
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /**
   * A handle that works until `endUse` or until the connection is lost. When for `silenceLimitMs` no statement was made
   * or answered, the connection counts as half open and is cut; 0 is no limit.
   */
  startUse(silenceLimitMs: number): DriverSql {
    const use = ++this.#use;
    this.#silenceLimitMs = silenceLimitMs;
    this.#watchSilence();
    const run = (make: () => unknown): unknown => {
      if (this.#isLost || use !== this.#use) throw new RollcallError('DATABASE_UNAVAILABLE', 'The connection to the database was lost');
      return this.#track(make());
    };
    return new Proxy(this.#client, {
      apply: (target, self, parameters) => run(() => Reflect.apply<unknown, unknown[], unknown>(target, self, parameters)),
      get: (target, key) => {
        if (key !== 'unsafe') return Reflect.get(target, key) as unknown;
        return (...parameters: Parameters<DriverSql['unsafe']>) => run(() => target.unsafe(...parameters));
      },
    });
  }

  endUse(): void {
    this.#use++;
    this.#running.clear();
    clearTimeout(this.#silence);
  }

  /** Cancels in Postgres what is running, and cuts the connection, so that no later statement can be hit instead. */
  cancel(): void {
    for (const statement of this.#running) ignoreFailure(statement.cancel());
    this.cut();
  }

  /** Closes the connection now; what is running on it fails. */
  cut(): void {
    this.#lose();
    ignoreFailure(this.#client.end({ timeout: 0 }));
  }

  #lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    clearTimeout(this.#silence);
    // What still waits in the driver would otherwise be sent on a new connection.
    for (const statement of this.#running) ignoreFailure(statement.cancel());
  }

  /** `Promise.prototype.then` itself, since the driver's `then` sends the statement, and this may be a fragment. */
  #track(made: unknown): unknown {
    if (!isStatement(made)) return made;
    const settle = (): void => {
      if (this.#running.delete(made)) this.#watchSilence();
    };
    this.#running.add(made);
    void Promise.prototype.then.call(made, settle, settle);
    this.#watchSilence();
    return made;
  }

  #watchSilence(): void {
    clearTimeout(this.#silence);
    if (this.#silenceLimitMs === 0 || this.#isLost) return;
    this.#silence = setTimeout(() => {
      this.cut();
    }, this.#silenceLimitMs).unref();
  }
}

function isStatement(value: unknown): value is Statement {
  return value instanceof Promise && 'cancel' in value && typeof value.cancel === 'function';
}

function ignoreFailure(outcome: unknown): void {
  Promise.resolve(outcome).catch(() => undefined);
}
