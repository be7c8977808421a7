import postgres from 'postgres';

/** `int8` columns are numbers: ordinals, revisions and counts stay below 2^53, and reading a larger one fails. */
export type SqlTypes = Record<'int8', number | bigint>;

/** The driver's handle. Its `begin` and `reserve` are not used: see `ConnectionLease`. */
export type DriverSql = postgres.Sql<SqlTypes>;

export interface DriverOptions {
  readonly url: string;
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/** How long a transaction may stay open with nothing asked of it, before Postgres ends it and frees its locks. */
export const IDLE_TRANSACTION_TIMEOUT_MS = 60_000;

const KEEP_ALIVE_SECONDS = 15;
/** Short and constant: while the database is away a statement shall fail at once, not wait for the next attempt. */
const RECONNECT_DELAY_SECONDS = 0.1;

/**
 * Opens a pool of the driver, lazily. `onClose` is called whenever a connection of it has been closed.
 *
 * `max_pipeline` 0 sends a statement only when the one before is answered: cancelling would otherwise hit a neighbour.
 */
export function openDriver(options: DriverOptions, maxConnections: number, onClose: () => void): DriverSql {
  const settings = {
    max: maxConnections,
    max_pipeline: 0,
    connect_timeout: options.connectTimeoutMs / 1000,
    keep_alive: KEEP_ALIVE_SECONDS,
    backoff: () => RECONNECT_DELAY_SECONDS,
    idle_timeout: 0,
    max_lifetime: null,
    onnotice: () => undefined,
    onclose: onClose,
    types: { int8: { to: 20, from: [20], serialize: String, parse: readInt8 } },
    connection: {
      application_name: options.applicationName,
      statement_timeout: options.statementTimeoutMs,
      idle_in_transaction_session_timeout: IDLE_TRANSACTION_TIMEOUT_MS,
      TimeZone: 'UTC',
    },
  };
  return postgres(options.url, settings);
}

function readInt8(text: string): number | bigint {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new RangeError('An int8 value does not fit a number');
}
