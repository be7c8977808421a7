import type { DriverSql } from './driver.js';

/**
 * A stable handle for single statements over a driver's pool that is replaced after a connection was lost: the driver
 * would give the first statement on the next connection the error of the lost one
 * (https://github.com/porsager/postgres/pull/1215).
 */
export class SharedPool {
  /** Serves until `close`. */
  readonly sql: DriverSql;
  readonly #connect: (onClose: () => void) => DriverSql;
  readonly #retireTimeoutMs: number;
  #pool: DriverSql;
  #hasLost = false;
  #isClosed = false;

  /** `retireTimeoutMs`: how long what still runs on a pool may go on after the pool was replaced. */
  constructor(connect: (onClose: () => void) => DriverSql, retireTimeoutMs: number) {
    this.#connect = connect;
    this.#retireTimeoutMs = retireTimeoutMs;
    this.#pool = this.#open();
    this.sql = new Proxy(this.#pool, {
      apply: (_target, self, parameters) =>
        Reflect.apply<unknown, unknown[], unknown>(this.#current(), self, parameters),
      get: (_target, key) => Reflect.get(this.#current(), key) as unknown,
    });
  }

  async close(timeoutMs: number): Promise<void> {
    this.#isClosed = true;
    await this.#pool.end({ timeout: timeoutMs / 1000 });
  }

  #current(): DriverSql {
    if (this.#hasLost && !this.#isClosed) {
      const retired = this.#pool;
      this.#hasLost = false;
      this.#pool = this.#open();
      void retired.end({ timeout: this.#retireTimeoutMs / 1000 });
    }
    return this.#pool;
  }

  #open(): DriverSql {
    const pool: DriverSql = this.#connect(() => {
      this.#hasLost ||= pool === this.#pool;
    });
    return pool;
  }
}
