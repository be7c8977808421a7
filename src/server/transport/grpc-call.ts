import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { toBinary } from '@bufbuild/protobuf';
import type { DescMethod } from '@bufbuild/protobuf';
import { Metadata } from '@grpc/grpc-js';
import type {
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceError,
} from '@grpc/grpc-js';
import { StatusSchema } from '../../gen/google/rpc/status_pb.js';
import { createCallSignal } from './call-signal.js';
import { isWorthLogging, toStatus, toWireError } from './errors.js';
import type { CallFailure } from './errors.js';
import type { CallContext } from './handlers.js';
import type { OpenCalls } from './open-calls.js';

/** A call as grpc-js has it; messages are Buffers of protobuf bytes. */
export type GrpcCall =
  | ServerUnaryCall<Buffer, Buffer>
  | ServerWritableStream<Buffer, Buffer>
  | ServerReadableStream<Buffer, Buffer>
  | ServerDuplexStream<Buffer, Buffer>;

/** A call that a handler is at work on. */
export interface OpenCall {
  readonly context: CallContext;
  /** What the caller is told of an error; logs it where the caller is not told all. */
  failure(error: unknown): ServiceError;
  /** The handler is done. */
  finish(): void;
}

/** Opens a call: its signal follows the call's end, its deadline and the server's stop. */
export function openCall(
  call: GrpcCall,
  desc: DescMethod,
  { openCalls, logFailure }: { openCalls: OpenCalls; logFailure: (failure: CallFailure) => void },
): OpenCall {
  const deadline = deadlineOf(call);
  const callSignal = createCallSignal(deadline);
  const remove = openCalls.add(callSignal);
  onCallOver(call, callSignal.cancel);
  const context = { signal: callSignal.signal, deadline, peer: call.getPeer(), requestId: randomUUID() };
  return {
    context,
    failure(thrown) {
      const error: unknown = context.signal.aborted ? context.signal.reason : thrown;
      const { peer, requestId } = context;
      if (isWorthLogging(error)) logFailure({ error, method: `${desc.parent.typeName}/${desc.name}`, peer, requestId });
      return serviceError(error, requestId);
    },
    finish() {
      callSignal.finish();
      remove();
    },
  };
}

/** grpc-js emits `cancelled` once at the end of every call, however it ended. */
export function onCallOver(call: EventEmitter, listener: () => void): void {
  call.once('cancelled', listener);
}

function deadlineOf(call: GrpcCall): Date | undefined {
  const deadline = call.getDeadline();
  if (deadline instanceof Date) return deadline;
  return Number.isFinite(deadline) ? new Date(deadline) : undefined;
}

function serviceError(thrown: unknown, requestId: string): ServiceError {
  const wire = toWireError(thrown, requestId);
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(toBinary(StatusSchema, toStatus(wire))));
  const code: number = wire.code;
  const error = Object.assign(new Error(wire.message), { code, details: wire.message, metadata });
  // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- gRPC and Connect number the codes alike
  return error;
}
