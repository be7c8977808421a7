import { connect, type Socket } from 'node:net';
import postgres from 'postgres';

/** `int8` columns are numbers: ordinals, revisions and counts stay below 2^53, and reading a larger one fails. */
export type SqlTypes = Record<'int8', number | bigint> &
  Record<'int8Array', readonly number[]> &
  Record<'textArray', readonly (string | null)[]>;

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

const INT8 = { to: 20, from: [20], serialize: String, parse: (text: string): number | bigint => readInt8(text) };
const INT8_ARRAY = {
  to: 1016,
  from: [1016],
  serialize: (values: readonly number[]) => `{${values.join(',')}}`,
  parse: readInt8Array,
};
/** Only for parameters: such columns come back as Postgres writes them. */
const TEXT_ARRAY = { to: 1009, from: [], serialize: writeTextArray, parse: (): readonly (string | null)[] => [] };

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
    ...(isOneHost(options.url) ? { socket: openSocket } : {}),
    // The driver would ask for the types of arrays when it connects, and end the process if it is cut off meanwhile.
    fetch_types: false,
    types: { int8: INT8, int8Array: INT8_ARRAY, textArray: TEXT_ARRAY },
    connection: {
      application_name: options.applicationName,
      statement_timeout: options.statementTimeoutMs,
      idle_in_transaction_session_timeout: IDLE_TRANSACTION_TIMEOUT_MS,
      TimeZone: 'UTC',
    },
  };
  return postgres(options.url, settings);
}

/** The driver tries several hosts in turn by sockets of its own. */
function isOneHost(url: string): boolean {
  return URL.canParse(url) && new URL(url).hostname !== '';
}

/** Without delay: the end of a copy would wait for the acknowledgement of its rows, 40 ms and more. The driver heeds its errors, also while it connects. */
function openSocket({ host: [host = ''], port: [port = 0] }: DriverTarget): Socket {
  return Object.assign(connect({ host, port, noDelay: true }), { host, port });
}

/** Where the driver connects to, as it tells it. */
interface DriverTarget {
  readonly host: readonly string[];
  readonly port: readonly number[];
}

function readInt8(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new RangeError('An int8 value does not fit a number');
}

function readInt8Array(text: string): readonly number[] {
  return text === '{}' ? [] : text.slice(1, -1).split(',').map(readInt8);
}

function writeTextArray(values: readonly (string | null)[]): string {
  const elements = values.map((value) => (value === null ? 'null' : `"${value.replace(/["\\]/g, '\\$&')}"`));
  return `{${elements.join(',')}}`;
}
