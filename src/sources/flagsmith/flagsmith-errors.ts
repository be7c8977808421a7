import { RollcallError } from '../../core/errors.js';

const UNREACHABLE = 'The Flagsmith database cannot be reached';
const TOO_SLOW = 'The Flagsmith database took longer to answer than it may';
const UNKNOWN_SCHEMA = 'The database is no Flagsmith core database that Rollcall knows';
const NOT_READABLE = 'The Flagsmith database does not let Rollcall read all that is needed';

/** What passes by itself, with what is said if it does not: by SQLSTATE, the driver's or the operating system's code. */
const PASSING: ReadonlyMap<string, string> = new Map([
  ['40001', 'The Flagsmith database is a replica that cannot keep what is being read'],
  ['40P01', TOO_SLOW],
  ['53300', 'The Flagsmith database has no connection left'],
  ['55P03', 'Something in the Flagsmith database is locked'],
  ['57014', TOO_SLOW],
  ...[
    '57P01',
    '57P02',
    '57P03',
    '57P05',
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
    'EPIPE',
    'ETIMEDOUT',
  ].map((code): [string, string] => [code, UNREACHABLE]),
]);

const LASTING: ReadonlyMap<string, string> = new Map([
  ['28', 'The Flagsmith database refuses the login'],
  ['3D', 'The Flagsmith database does not exist'],
]);

/** Whether the same statement may well succeed a little later. */
export function isPassing(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && (PASSING.has(code) || code.startsWith('08'));
}

/** What a caller may see of a failure: no SQL, no driver's text, no address. */
export function toSourceError(cause: unknown): RollcallError {
  if (cause instanceof RollcallError) return cause;
  const code = codeOf(cause) ?? '';
  if (code === '42P01' || code === '42703') return new RollcallError('INVALID_DOCUMENT', UNKNOWN_SCHEMA, { cause });
  if (code === '42501') return new RollcallError('INVALID_DOCUMENT', NOT_READABLE, { cause });
  const message = PASSING.get(code) ?? LASTING.get(code.slice(0, 2)) ?? UNREACHABLE;
  return new RollcallError('SOURCE_UNAVAILABLE', message, { cause });
}

/** A database without these columns, or that does not let us read them. */
export function missingColumns(table: string, columns: readonly string[]): RollcallError {
  const names = columns.map((column) => `${table}.${column}`).join(', ');
  return new RollcallError('INVALID_DOCUMENT', `${UNKNOWN_SCHEMA}: it has no ${names} that may be read`, {
    metadata: { table },
  });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
