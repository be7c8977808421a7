import { RollcallError } from '../../core/errors.js';
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
  readonly #terminate: (pid: number) => void;
  readonly #running = new Set<Statement>();
  #pid: number | undefined;
  #isLost = false;
  #use = 0;
  #silenceLimitMs = 0;
  #silence: NodeJS.Timeout | undefined;

  /** `connect` opens a driver of one connection; `terminate` ends a process of Postgres by way of another one. */
  constructor(connect: (onClose: () => void) => DriverSql, terminate: (pid: number) => void) {
    this.#terminate = terminate;
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
  async startUse(silenceLimitMs: number): Promise<DriverSql> {
    this.#silenceLimitMs = silenceLimitMs;
    this.#watchSilence();
    this.#pid ??= await this.#askPid();
    return this.continueUse();
  }

  /** Another handle of the use that was started; those before work no more. */
  continueUse(): DriverSql {
    const use = ++this.#use;
    const run = (make: () => unknown): unknown => {
      if (this.#isLost || use !== this.#use)
        throw new RollcallError('DATABASE_UNAVAILABLE', 'The connection to the database was lost');
      return this.#track(make());
    };
    return new Proxy(this.#client, {
      apply: (target, self, parameters) =>
        run(() => Reflect.apply<unknown, unknown[], unknown>(target, self, parameters)),
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

  /**
   * Closes the connection now, and ends in Postgres what runs on it. Not by the driver's `cancel`, which could hit a
   * later statement, and whose own failure nobody could catch.
   */
  cut(): void {
    if (this.#running.size > 0 && this.#pid !== undefined && !this.#isLost) this.#terminate(this.#pid);
    this.#isLost = true;
    clearTimeout(this.#silence);
    this.#client.end({ timeout: 0 }).catch(() => undefined);
  }

  /** What still waits in the driver would be sent on a new connection. What was sent has failed already. */
  #lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    clearTimeout(this.#silence);
    for (const statement of this.#running) statement.cancel();
  }

  async #askPid(): Promise<number | undefined> {
    const [row] = await this.#client<{ pid: number }[]>`select pg_backend_pid() as pid`;
    return row?.pid;
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
