import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { ServiceError } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { ErrorReason } from '../core/errors.js';
import { RollcallError } from '../core/errors.js';
import type { ErrorInfo } from '../gen/google/rpc/error_details_pb.js';
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.js';
import { StatusSchema } from '../gen/google/rpc/status_pb.js';
import { isReason } from '../server/messages/reason-messages.js';
import { CommandError } from './command-error.js';

const DETAILS = 'grpc-status-details-bin';

/**
 * The error that a failed call stands for: what the server says in its `google.rpc.ErrorInfo`, SERVER_UNREACHABLE where no server
 * answers, and for other faults of the connection the reason that is nearest to their status.
 */
export function callError(error: ServiceError, address: string): RollcallError | CommandError {
  const info = errorInfoOf(error);
  const reason = info === undefined ? undefined : reasonNamed(info.reason);
  if (info !== undefined && reason !== undefined) {
    return new RollcallError(reason, error.details, { metadata: info.metadata, cause: error });
  }
  if (error.code === status.UNAVAILABLE) {
    const message = `no server answers at ${address}`;
    return new CommandError('SERVER_UNREACHABLE', message, { metadata: { server: address }, cause: error });
  }
  return new RollcallError(BY_STATUS[error.code] ?? 'INTERNAL', error.details, { cause: error });
}

/** Whether the same call may succeed later, on the same server or on another one. */
export function isRetryable(error: unknown): boolean {
  if (error instanceof RollcallError) return error.isRetryable || error.reason === 'CANCELLED';
  return error instanceof CommandError && error.reason === 'SERVER_UNREACHABLE';
}

/** The reason of this name in the contract. */
export function reasonNamed(name: string): ErrorReason | undefined {
  return isReason(name) ? name : undefined;
}

function errorInfoOf(error: ServiceError): ErrorInfo | undefined {
  const [bytes] = error.metadata.get(DETAILS);
  if (!Buffer.isBuffer(bytes)) return undefined;
  for (const detail of fromBinary(StatusSchema, bytes).details) {
    const info = anyUnpack(detail, ErrorInfoSchema);
    if (info !== undefined) return info;
  }
  return undefined;
}

/** Statuses that the gRPC library makes up itself when a connection or a deadline ends. */
const BY_STATUS: Readonly<Partial<Record<status, ErrorReason>>> = {
  [status.CANCELLED]: 'CANCELLED',
  [status.DEADLINE_EXCEEDED]: 'DEADLINE_EXCEEDED',
  [status.INVALID_ARGUMENT]: 'INVALID_REQUEST',
};
