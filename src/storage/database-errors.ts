import { RollcallError } from '../core/errors.js';
import type { ErrorReason } from '../core/errors.js';

const UNAVAILABLE = 'The database is not available at the moment';

const MESSAGES = {
  DATABASE_UNAVAILABLE: UNAVAILABLE,
  STORAGE_FULL: 'The database has no room left for this',
  CONFLICT: 'Another transaction was in the way; try again',
  DEADLINE_EXCEEDED: 'The database took longer than it may',
  CANCELLED: 'The call was cancelled',
  INVALID_REQUEST: 'A text holds a character that cannot be stored, such as NUL',
  INTERNAL: 'internal error',
} as const satisfies Partial<Record<ErrorReason, string>>;

type DatabaseReason = keyof typeof MESSAGES;

/** By SQLSTATE, the driver's or the operating system's code; classes (`08…`) are in `REASONS_BY_CLASS`. */
const REASONS: ReadonlyMap<string, DatabaseReason> = new Map<string, DatabaseReason>([
  ['22021', 'INVALID_REQUEST'], // NUL in a text
  ['22P05', 'INVALID_REQUEST'], // NUL in a JSON value
  ['25006', 'DATABASE_UNAVAILABLE'], // a read-only standby, while a failover is on its way
  ['25P03', 'DATABASE_UNAVAILABLE'],
  ['3D000', 'DATABASE_UNAVAILABLE'],
  ['40001', 'CONFLICT'],
  ['40P01', 'CONFLICT'],
  ['53100', 'STORAGE_FULL'],
  ['53200', 'STORAGE_FULL'],
  ['53300', 'DATABASE_UNAVAILABLE'],
  ['55P03', 'CONFLICT'],
  ['57P01', 'DATABASE_UNAVAILABLE'],
  ['57P02', 'DATABASE_UNAVAILABLE'],
  ['57P03', 'DATABASE_UNAVAILABLE'],
  ['57P05', 'DATABASE_UNAVAILABLE'],
  ['ENOSPC', 'STORAGE_FULL'],
  ...[
    'CONNECT_TIMEOUT',
    'CONNECTION_CLOSED',
    'CONNECTION_DESTROYED',
    'CONNECTION_ENDED',
    'EAI_AGAIN',
    'ECONNABORTED',
    'ECONNREFUSED',
    'ECONNRESET',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENOENT',
    'ENOTFOUND',
    'EPIPE',
    'ETIMEDOUT',
  ].map((code): [string, DatabaseReason] => [code, 'DATABASE_UNAVAILABLE']),
]);

const REASONS_BY_CLASS: ReadonlyMap<string, DatabaseReason> = new Map<string, DatabaseReason>([
  ['08', 'DATABASE_UNAVAILABLE'],
  ['28', 'DATABASE_UNAVAILABLE'],
]);

/** The SQLSTATE, or the driver's or operating system's code, of an error or of its cause; undefined if it has none. */
export function databaseErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return databaseErrorCode(error.cause);
}

/**
 * What a caller may see of an error: a `RollcallError` as it is, anything else by its code. The message never holds
 * SQL, a value or the driver's text; the error itself is kept as the cause.
 */
export function toRollcallError(error: unknown): RollcallError {
  if (error instanceof RollcallError) return error;
  const reason = reasonOf(error);
  return new RollcallError(reason, MESSAGES[reason], { cause: error });
}

/** What an aborted signal means: its reason where that is a `RollcallError`, a deadline, or a cancelled call. */
export function abortError(signal: AbortSignal): RollcallError {
  return toRollcallError(signal.reason ?? new DOMException('Aborted', 'AbortError'));
}

/** Whether the same transaction, run again, may well succeed: a serialization failure or a deadlock. */
export function isTransactionConflict(error: unknown): boolean {
  const code = databaseErrorCode(error);
  return code === '40001' || code === '40P01';
}

function reasonOf(error: unknown): DatabaseReason {
  if (!(error instanceof Error)) return 'INTERNAL';
  if (error.name === 'TimeoutError') return 'DEADLINE_EXCEEDED';
  if (error.name === 'AbortError') return 'CANCELLED';
  const code = databaseErrorCode(error);
  if (code === undefined) return 'INTERNAL';
  if (code === '57014') return error.message.includes('user request') ? 'CANCELLED' : 'DEADLINE_EXCEEDED';
  const isDiskFull = /No space left on device|could not extend file/.test(error.message);
  return isDiskFull ? 'STORAGE_FULL' : (REASONS.get(code) ?? REASONS_BY_CLASS.get(code.slice(0, 2)) ?? 'INTERNAL');
}
