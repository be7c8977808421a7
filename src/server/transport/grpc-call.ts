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
import { ACTOR_HEADER, actorOf } from './actor.js';
import { CallSignal } from './call-signal.js';
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

/** What a handler knows of a call, found out when it is asked for. */
export class GrpcCallContext implements CallContext {
  readonly callSignal: CallSignal;
  readonly #call: GrpcCall;
  #peer: string | undefined;
  #requestId: string | undefined;

  constructor(call: GrpcCall) {
    this.#call = call;
    this.callSignal = new CallSignal(deadlineOf(call));
  }

  get signal(): AbortSignal {
    return this.callSignal.signal;
  }

  get deadline(): Date | undefined {
    return this.callSignal.deadline;
  }

  get peer(): string {
    return (this.#peer ??= this.#call.getPeer());
  }

  get actor(): string {
    return actorOf(this.#call.metadata.get(ACTOR_HEADER).join(','), this.peer);
  }

  /** To be called while the connection is there: afterwards nobody knows. */
  notePeer(): void {
    this.#peer ??= this.#call.getPeer();
  }

  get requestId(): string {
    return (this.#requestId ??= randomUUID());
  }
}

/** A call that a handler is at work on. */
export interface OpenCall {
  readonly context: CallContext;
  /** What the caller is told of an error; logs it where the caller is not told all. */
  failure(error: unknown): ServiceError;
  /** The handler is done. */
  finish(): void;
}

/** What the calls of one server share. */
interface CallOptions {
  readonly openCalls: OpenCalls;
  readonly logFailure: (failure: CallFailure) => void;
}

/** Opens a call: its signal follows the call's end, its deadline and the server's stop. */
export function openCall(
  call: GrpcCall,
  desc: DescMethod,
  { openCalls, logFailure }: CallOptions,
  context = new GrpcCallContext(call),
): OpenCall {
  const { callSignal } = context;
  context.notePeer();
  const remove = openCalls.add(callSignal);
  onCallOver(call, () => {
    callSignal.cancel();
  });
  return {
    context,
    failure: (thrown) => callFailure(thrown, context, desc, logFailure),
    finish() {
      callSignal.finish();
      remove();
    },
  };
}

/** What the caller is told of an error; logs it where the caller is not told all. */
export function callFailure(
  thrown: unknown,
  context: GrpcCallContext,
  desc: DescMethod,
  logFailure: (failure: CallFailure) => void,
): ServiceError {
  const error: unknown = context.callSignal.reason ?? thrown;
  const { requestId } = context;
  if (isWorthLogging(error))
    logFailure({ error, method: `${desc.parent.typeName}/${desc.name}`, peer: context.peer, requestId });
  return serviceError(error, requestId);
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
