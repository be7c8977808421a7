import { create } from '@bufbuild/protobuf';
import { anyPack, durationFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { RollcallError } from '../../core/errors.js';
import type { ErrorReason } from '../../core/errors.js';
import { ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.js';
import type { ErrorInfo, RetryInfo } from '../../gen/google/rpc/error_details_pb.js';
import { StatusSchema } from '../../gen/google/rpc/status_pb.js';
import type { Status } from '../../gen/google/rpc/status_pb.js';
import { toRollcallError } from '../../storage/database-errors.js';

/** The domain of every ErrorInfo. */
const ERROR_DOMAIN = 'rollcall.v1';

/** The status code of each reason; gRPC and Connect number them alike. */
export const STATUS_CODES = {
  INVALID_REQUEST: Code.InvalidArgument,
  INVALID_IDENTIFIER: Code.InvalidArgument,
  INVALID_TRAIT: Code.InvalidArgument,
  INVALID_SEGMENT: Code.InvalidArgument,
  UNKNOWN_OPERATOR: Code.InvalidArgument,
  INVALID_OPERAND: Code.InvalidArgument,
  UNSUPPORTED_PATTERN: Code.InvalidArgument,
  SEGMENT_CYCLE: Code.InvalidArgument,
  UNKNOWN_REFERENCE: Code.InvalidArgument,
  INVALID_CURSOR: Code.InvalidArgument,
  IDENTITY_ID_REQUIRED: Code.InvalidArgument,
  IDENTITY_ID_NOT_ALLOWED: Code.InvalidArgument,
  ENVIRONMENT_NOT_FOUND: Code.NotFound,
  SEGMENT_NOT_FOUND: Code.NotFound,
  IDENTITY_NOT_FOUND: Code.NotFound,
  ATOM_NOT_FOUND: Code.NotFound,
  LIST_NOT_FOUND: Code.NotFound,
  ENVIRONMENT_EXISTS: Code.AlreadyExists,
  SEGMENT_EXISTS: Code.AlreadyExists,
  SEGMENT_REFERENCED: Code.FailedPrecondition,
  ATOM_BUILDING: Code.FailedPrecondition,
  INDEX_CORRUPT: Code.FailedPrecondition,
  REVISION_NOT_REACHED: Code.FailedPrecondition,
  CURSOR_EXPIRED: Code.FailedPrecondition,
  ETAG_MISMATCH: Code.Aborted,
  CONFLICT: Code.Aborted,
  TOO_MANY_STREAMS: Code.ResourceExhausted,
  TOO_MANY_BUILDS: Code.ResourceExhausted,
  STREAM_STALLED: Code.ResourceExhausted,
  INDEX_MEMORY_EXCEEDED: Code.ResourceExhausted,
  STORAGE_FULL: Code.ResourceExhausted,
  DATABASE_UNAVAILABLE: Code.Unavailable,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
  CANCELLED: Code.Canceled,
  INTERNAL: Code.Internal,
  INVALID_DOCUMENT: Code.InvalidArgument,
  INDEX_OFF: Code.FailedPrecondition,
  ENVIRONMENT_LOADING: Code.FailedPrecondition,
  ENVIRONMENT_FAILED: Code.FailedPrecondition,
  RELOAD_REQUIRED: Code.FailedPrecondition,
  BACKFILL_RUNNING: Code.ResourceExhausted,
  REFRESH_COOLDOWN: Code.ResourceExhausted,
  BACKFILL_NOT_FOUND: Code.NotFound,
  SOURCE_NOT_CONFIGURED: Code.FailedPrecondition,
  SOURCE_UNAVAILABLE: Code.Unavailable,
  ORGANISATION_NOT_FOUND: Code.NotFound,
} satisfies Record<ErrorReason, Code>;

// Trailers of more than 8 KiB break connections of several clients; the details go out in base64.
const MAX_MESSAGE_LENGTH = 300;
const MAX_VALUE_LENGTH = 600;
const MAX_METADATA_LENGTH = 2400;

/** An error as it goes to a caller. */
export interface WireError {
  readonly code: Code;
  readonly message: string;
  /** None for the errors of the standard services, which have a code alone. */
  readonly info: ErrorInfo | undefined;
  readonly retry: RetryInfo | undefined;
}

/** A failure for the log: what was thrown, with what never goes to a caller. */
export interface CallFailure {
  readonly error: unknown;
  /** `package.Service/Method` */
  readonly method: string;
  readonly peer: string;
  readonly requestId: string;
}

/** Whether an error tells operators more than it tells the caller. */
export function isWorthLogging(error: unknown): boolean {
  if (error instanceof ConnectError) return false;
  return !(error instanceof RollcallError) || error.reason === 'INTERNAL' || error.cause !== undefined;
}

/**
 * What a caller is told of anything that was thrown. A RollcallError brings its reason, text and metadata, shortened to
 * fit into trailers; a ConnectError its code; an error of the database the reason that it stands for; anything else is
 * INTERNAL with the request id alone.
 */
export function toWireError(thrown: unknown, requestId: string): WireError {
  if (thrown instanceof ConnectError) {
    return {
      code: thrown.code,
      message: shorten(thrown.rawMessage, MAX_MESSAGE_LENGTH),
      info: undefined,
      retry: undefined,
    };
  }
  const error = toRollcallError(thrown);
  const metadata = shortenMetadata(error.reason === 'INTERNAL' ? { ...error.metadata, requestId } : error.metadata);
  return {
    code: STATUS_CODES[error.reason],
    message: shorten(error.message, MAX_MESSAGE_LENGTH),
    info: create(ErrorInfoSchema, { reason: error.reason, domain: ERROR_DOMAIN, metadata }),
    retry: retryInfo(error.metadata),
  };
}

/** The same as a `google.rpc.Status`, for the trailer `grpc-status-details-bin`. */
export function toStatus({ code, message, info, retry }: WireError): Status {
  const details = [
    ...(info === undefined ? [] : [anyPack(ErrorInfoSchema, info)]),
    ...(retry === undefined ? [] : [anyPack(RetryInfoSchema, retry)]),
  ];
  return create(StatusSchema, { code, message, details });
}

function retryInfo(metadata: Readonly<Record<string, string>>): RetryInfo | undefined {
  const retryAfterMs = Number(metadata['retryAfterMs']);
  if (!(retryAfterMs >= 0)) return undefined;
  return create(RetryInfoSchema, { retryDelay: durationFromMs(Math.round(retryAfterMs)) });
}

function shortenMetadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const shortened: Record<string, string> = {};
  let room = MAX_METADATA_LENGTH;
  for (const [key, value] of Object.entries(metadata)) {
    const text = shorten(value, Math.min(MAX_VALUE_LENGTH, room - key.length));
    room -= key.length + text.length;
    if (room <= 0) break;
    shortened[key] = text;
  }
  return shortened;
}

/** At most `maxLength` UTF-16 units, well-formed: a lone surrogate cannot be put into a header or a protobuf string. */
function shorten(text: string, maxLength: number): string {
  const short = text.length <= maxLength ? text : `${text.slice(0, Math.max(0, maxLength - 1))}…`;
  return Buffer.from(short, 'utf8').toString('utf8');
}
