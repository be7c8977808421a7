/**
 * Every reason for which Rollcall refuses or fails, a closed list. The contract's `ErrorReason` (proto) has the same
 * names with an example each; `server/transport/errors.ts` maps each to a status code.
 */
export type ErrorReason =
  | 'INVALID_REQUEST'
  | 'INVALID_IDENTIFIER'
  | 'INVALID_TRAIT'
  | 'INVALID_SEGMENT'
  | 'UNKNOWN_OPERATOR'
  | 'INVALID_OPERAND'
  | 'UNSUPPORTED_PATTERN'
  | 'SEGMENT_CYCLE'
  | 'UNKNOWN_REFERENCE'
  | 'INVALID_CURSOR'
  | 'ENVIRONMENT_NOT_FOUND'
  | 'SEGMENT_NOT_FOUND'
  | 'IDENTITY_NOT_FOUND'
  | 'ATOM_NOT_FOUND'
  | 'LIST_NOT_FOUND'
  | 'ENVIRONMENT_EXISTS'
  | 'SEGMENT_EXISTS'
  | 'SEGMENT_REFERENCED'
  | 'IDENTITY_ID_REQUIRED'
  | 'IDENTITY_ID_NOT_ALLOWED'
  | 'ATOM_BUILDING'
  | 'INDEX_CORRUPT'
  | 'REVISION_NOT_REACHED'
  | 'CURSOR_EXPIRED'
  | 'ETAG_MISMATCH'
  | 'CONFLICT'
  | 'TOO_MANY_STREAMS'
  | 'TOO_MANY_BUILDS'
  | 'STREAM_STALLED'
  | 'INDEX_MEMORY_EXCEEDED'
  | 'DATABASE_UNAVAILABLE'
  | 'STORAGE_FULL'
  | 'DEADLINE_EXCEEDED'
  | 'CANCELLED'
  | 'INTERNAL'
  | 'INVALID_DOCUMENT'
  | 'INDEX_OFF'
  | 'ENVIRONMENT_LOADING'
  | 'ENVIRONMENT_FAILED'
  | 'RELOAD_REQUIRED'
  | 'BACKFILL_RUNNING'
  | 'REFRESH_COOLDOWN'
  | 'BACKFILL_NOT_FOUND'
  | 'SOURCE_NOT_CONFIGURED'
  | 'SOURCE_UNAVAILABLE'
  | 'ORGANISATION_NOT_FOUND';

const RETRYABLE: ReadonlySet<ErrorReason> = new Set<ErrorReason>([
  'ATOM_BUILDING',
  'INDEX_CORRUPT',
  'REVISION_NOT_REACHED',
  'CONFLICT',
  'TOO_MANY_STREAMS',
  'TOO_MANY_BUILDS',
  'STREAM_STALLED',
  'DATABASE_UNAVAILABLE',
  'STORAGE_FULL',
  'ENVIRONMENT_LOADING',
  'BACKFILL_RUNNING',
  'REFRESH_COOLDOWN',
  'SOURCE_UNAVAILABLE',
]);

/** The one error class. `message` and `metadata` are for callers; `cause` is for logs only and never leaves the process. */
export class RollcallError extends Error {
  override readonly name = 'RollcallError';
  readonly reason: ErrorReason;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(
    reason: ErrorReason,
    message: string,
    options: { metadata?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.metadata = options.metadata ?? {};
  }

  /** Whether the same call may succeed later without being changed. */
  get isRetryable(): boolean {
    return RETRYABLE.has(this.reason);
  }
}
