import postgres from 'postgres';

export interface ConnectionOptions {
  readonly url: string;
  readonly connectTimeoutMs: number;
  /** What Postgres allows a statement. */
  readonly statementTimeoutMs: number;
  /** What an answer may take on its way, beyond that; then the connection counts as half open. */
  readonly networkGraceMs: number;
}

/** One statement; its parameters are told their types by casts in the text. */
export interface Statement {
  readonly text: string;
  readonly parameters: readonly (string | number)[];
}

const APPLICATION_NAME = 'rollcall';
const LOCK_TIMEOUT_MS = 5_000;
const IDLE_SECONDS = 30;
const KEEP_ALIVE_SECONDS = 15;

/** Our own statements that still run in Postgres behind a connection that was cut. */
const END_STATEMENT = `select pg_terminate_backend(pid) from pg_stat_activity
  where pid = $1::int and usename = current_user and application_name = '${APPLICATION_NAME}' and state = 'active'`;

/** One read-only connection, for one statement at a time. Once lost or cut it is thrown away: the driver would open it anew under another process of Postgres. */
export class FlagsmithConnection {
  readonly #options: ConnectionOptions;
  readonly #driver: postgres.Sql;
  #pid: number | undefined;
  #isLost = false;
  #isRunning = false;
  #cutting: Promise<void> | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#driver = openDriver(options, () => {
      this.#isLost = true;
    });
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** Runs a statement. Rejects with the driver's errors, soon after the signal fires. */
  async run<Row extends object>({ text, parameters }: Statement, signal: AbortSignal): Promise<readonly Row[]> {
    const cut = (): void => void this.cut();
    const { statementTimeoutMs, networkGraceMs } = this.#options;
    const silence = setTimeout(cut, statementTimeoutMs + networkGraceMs);
    signal.addEventListener('abort', cut, { once: true });
    try {
      signal.throwIfAborted();
      this.#pid ??= await this.#askPid();
      this.#isRunning = true;
      return await this.#driver.unsafe<Row[]>(text, [...parameters]);
    } finally {
      this.#isRunning = false;
      clearTimeout(silence);
      signal.removeEventListener('abort', cut);
    }
  }

  /** Closes the connection now. Resolves when what runs on it in Postgres has been told to end, or could not be told. */
  cut(): Promise<void> {
    this.#cutting ??= this.#cut();
    return this.#cutting;
  }

  async #cut(): Promise<void> {
    const pid = this.#isRunning && !this.#isLost ? this.#pid : undefined;
    this.#isLost = true;
    await Promise.all([close(this.#driver), pid === undefined ? undefined : this.#endStatement(pid)]);
  }

  async #askPid(): Promise<number | undefined> {
    const [row] = await this.#driver<{ pid: number }[]>`select pg_backend_pid() as pid`;
    return row?.pid;
  }

  /** By another connection: the driver's own cancelling could hit a later statement, and fail where nobody catches it. */
  async #endStatement(pid: number): Promise<void> {
    const driver = openDriver(this.#options, () => undefined);
    const silence = setTimeout(() => void close(driver), this.#options.networkGraceMs);
    try {
      await driver.unsafe(END_STATEMENT, [pid]);
    } catch {
      // The statement timeout ends it.
    } finally {
      clearTimeout(silence);
      await close(driver);
    }
  }
}

async function close(driver: postgres.Sql): Promise<void> {
  await driver.end({ timeout: 0 }).catch(() => undefined);
}

function openDriver({ url, connectTimeoutMs, statementTimeoutMs }: ConnectionOptions, onClose: () => void) {
  const settings = {
    max: 1,
    max_pipeline: 0,
    connect_timeout: connectTimeoutMs / 1000,
    keep_alive: KEEP_ALIVE_SECONDS,
    idle_timeout: IDLE_SECONDS,
    max_lifetime: null,
    backoff: () => 0.1,
    prepare: false,
    // The driver would ask for the types of arrays when it connects, and end the process if it is cut off meanwhile.
    fetch_types: false,
    onnotice: () => undefined,
    onclose: onClose,
    connection: {
      application_name: APPLICATION_NAME,
      default_transaction_read_only: true,
      statement_timeout: statementTimeoutMs,
      lock_timeout: LOCK_TIMEOUT_MS,
      // Compiling a page's statement takes longer than running it.
      jit: false,
      // The database has others to serve.
      max_parallel_workers_per_gather: 0,
      // Floats as their shortest exact text, also from servers older than 12.
      extra_float_digits: 3,
    },
  };
  return postgres(url, settings);
}
