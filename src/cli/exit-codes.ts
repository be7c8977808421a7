import type { ErrorReason } from '../core/errors.js';
import { RollcallError } from '../core/errors.js';
import type { CommandErrorReason } from './command-error.js';
import { CommandError } from './command-error.js';

export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  notReady: 4,
  unavailable: 5,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** For the end of each help text. */
export const EXIT_CODES_HELP = `Exit codes:
  0  done
  1  failed; or verify found differences, dead letters failed again, or something could not be loaded or adopted
  2  the command, a definition or an input file is not valid
  3  no such environment, segment, identity, atom, list or backfill
  4  not now: an atom is being built, an environment loaded, or somebody else was faster; trying again may help
  5  the server or its database cannot be reached
  130  interrupted`;

const BY_REASON = {
  INVALID_REQUEST: EXIT.usage,
  INVALID_IDENTIFIER: EXIT.usage,
  INVALID_TRAIT: EXIT.usage,
  INVALID_SEGMENT: EXIT.usage,
  UNKNOWN_OPERATOR: EXIT.usage,
  INVALID_OPERAND: EXIT.usage,
  UNSUPPORTED_PATTERN: EXIT.usage,
  SEGMENT_CYCLE: EXIT.usage,
  UNKNOWN_REFERENCE: EXIT.usage,
  INVALID_CURSOR: EXIT.usage,
  ENVIRONMENT_NOT_FOUND: EXIT.notFound,
  SEGMENT_NOT_FOUND: EXIT.notFound,
  IDENTITY_NOT_FOUND: EXIT.notFound,
  ATOM_NOT_FOUND: EXIT.notFound,
  LIST_NOT_FOUND: EXIT.notFound,
  ENVIRONMENT_EXISTS: EXIT.failure,
  SEGMENT_EXISTS: EXIT.failure,
  SEGMENT_REFERENCED: EXIT.failure,
  IDENTITY_ID_REQUIRED: EXIT.usage,
  IDENTITY_ID_NOT_ALLOWED: EXIT.usage,
  ATOM_BUILDING: EXIT.notReady,
  INDEX_CORRUPT: EXIT.notReady,
  REVISION_NOT_REACHED: EXIT.notReady,
  CURSOR_EXPIRED: EXIT.failure,
  ETAG_MISMATCH: EXIT.notReady,
  CONFLICT: EXIT.notReady,
  TOO_MANY_STREAMS: EXIT.notReady,
  TOO_MANY_BUILDS: EXIT.notReady,
  STREAM_STALLED: EXIT.notReady,
  INDEX_MEMORY_EXCEEDED: EXIT.failure,
  DATABASE_UNAVAILABLE: EXIT.unavailable,
  STORAGE_FULL: EXIT.unavailable,
  DEADLINE_EXCEEDED: EXIT.notReady,
  CANCELLED: EXIT.failure,
  INTERNAL: EXIT.failure,
  INVALID_DOCUMENT: EXIT.usage,
  INDEX_OFF: EXIT.failure,
  ENVIRONMENT_LOADING: EXIT.notReady,
  ENVIRONMENT_FAILED: EXIT.failure,
  RELOAD_REQUIRED: EXIT.failure,
  BACKFILL_RUNNING: EXIT.notReady,
  REFRESH_COOLDOWN: EXIT.notReady,
  BACKFILL_NOT_FOUND: EXIT.notFound,
  SOURCE_NOT_CONFIGURED: EXIT.failure,
  SOURCE_UNAVAILABLE: EXIT.unavailable,
  ORGANISATION_NOT_FOUND: EXIT.notFound,
  USAGE: EXIT.usage,
  BAD_INPUT: EXIT.usage,
  FILE: EXIT.failure,
  SERVER_UNREACHABLE: EXIT.unavailable,
  STREAM_DAMAGED: EXIT.failure,
  DIFFERENCES_FOUND: EXIT.failure,
  REPLAY_FAILED: EXIT.failure,
  BACKFILL_FAILED: EXIT.failure,
  ADOPTION_INCOMPLETE: EXIT.failure,
  INTERRUPTED: EXIT.interrupted,
} satisfies Record<ErrorReason | CommandErrorReason, ExitCode>;

/** The exit code for whatever a command threw. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof RollcallError || error instanceof CommandError) return BY_REASON[error.reason];
  return EXIT.failure;
}
