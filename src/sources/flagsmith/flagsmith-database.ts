import pLimit from 'p-limit';
import pRetry from 'p-retry';
import { RollcallError } from '../../core/errors.js';
import { FlagsmithConnection, type Statement } from './flagsmith-connection.js';
import { isPassing, toSourceError } from './flagsmith-errors.js';

export interface FlagsmithDatabaseOptions {
  readonly url: string;
  /** At once, for all that reads from this database; 4 by default. */
  readonly maxConnections?: number;
  readonly connectTimeoutMs?: number;
  readonly statementTimeoutMs?: number;
  /** How long an answer may be on its way beyond the statement timeout. */
  readonly networkGraceMs?: number;
  /** How often a statement is tried once more after a fault that passes by itself; the waits between grow up to `MAX_RETRY_DELAY_MS`. */
  readonly retries?: number;
}

/** Flagsmith's database, read only. */
export interface FlagsmithDatabase {
  /**
   * The rows of one statement. It is made anew for each attempt, and told how many have failed. Throws SOURCE_UNAVAILABLE or INVALID_DOCUMENT; the signal's
   * reason at once when that fires, and ends the statement in Postgres.
   */
  ask<Row extends object>(makeStatement: (failures: number) => Statement, signal: AbortSignal): Promise<readonly Row[]>;
  /** Ends what runs. */
  close(): Promise<void>;
}

const DEFAULTS = {
  maxConnections: 4,
  connectTimeoutMs: 10_000,
  statementTimeoutMs: 60_000,
  networkGraceMs: 10_000,
  retries: 8,
};
const FIRST_RETRY_DELAY_MS = 250;
const MAX_RETRY_DELAY_MS = 8_000;

/** Connects lazily: a database that is away shows in the first statement. */
export function openFlagsmithDatabase(options: FlagsmithDatabaseOptions): FlagsmithDatabase {
  const settings = { ...DEFAULTS, ...options };
  const limit = pLimit(settings.maxConnections);
  let isClosed = false;
  const idle: FlagsmithConnection[] = [];
  const open = new Set<FlagsmithConnection>();

  const take = (): FlagsmithConnection => {
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (!connection.isLost) return connection;
      open.delete(connection);
    }
    const connection = new FlagsmithConnection(settings);
    open.add(connection);
    return connection;
  };

  const giveBack = (connection: FlagsmithConnection): void => {
    if (connection.isLost) void connection.cut().finally(() => open.delete(connection));
    else idle.push(connection);
  };

  const askOnce = <Row extends object>(statement: Statement, signal: AbortSignal): Promise<readonly Row[]> =>
    limit(async () => {
      signal.throwIfAborted();
      if (isClosed) throw new RollcallError('SOURCE_UNAVAILABLE', 'The Flagsmith database was closed');
      const connection = take();
      try {
        return await connection.run<Row>(statement, signal);
      } finally {
        giveBack(connection);
      }
    });

  return {
    async ask<Row extends object>(makeStatement: (failures: number) => Statement, signal: AbortSignal) {
      const attempt = (number: number): Promise<readonly Row[]> =>
        untilAborted(askOnce<Row>(makeStatement(number - 1), signal), signal);
      return pRetry(attempt, {
        retries: settings.retries,
        minTimeout: FIRST_RETRY_DELAY_MS,
        maxTimeout: MAX_RETRY_DELAY_MS,
        signal,
        shouldRetry: ({ error }) => isPassing(error),
      }).catch((error: unknown) => {
        signal.throwIfAborted();
        throw toSourceError(error);
      });
    },
    async close() {
      isClosed = true;
      await Promise.all([...open].map((connection) => connection.cut()));
    },
  };
}

/** The same, but rejects at once when the signal fires: what is asked may still wait for a connection. */
async function untilAborted<T>(asked: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    asked.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
