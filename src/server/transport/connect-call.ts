import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { DescMethod } from '@bufbuild/protobuf';
import { ConnectError, createContextKey } from '@connectrpc/connect';
import type { HandlerContext } from '@connectrpc/connect';
import { ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.js';
import { ACTOR_HEADER, actorOf } from './actor.js';
import { CallSignal } from './call-signal.js';
import { isWorthLogging, toWireError } from './errors.js';
import type { CallFailure } from './errors.js';
import type { CallContext } from './handlers.js';
import type { OpenCalls } from './open-calls.js';

/** Where the adapter leaves the HTTP request for the methods. */
export const httpRequestKey = createContextKey<IncomingMessage | undefined>(undefined);

/** A call over Connect or gRPC-Web that a handler is at work on. */
export interface OpenConnectCall {
  readonly context: CallContext;
  readonly callSignal: CallSignal;
  /** What the caller is told of an error; logs it where the caller is not told all. */
  failure(error: unknown): ConnectError;
  /** The handler is done. */
  finish(): void;
}

/** Opens a call: its signal follows the connection, the call's deadline and the server's stop. */
export function openConnectCall(
  desc: DescMethod,
  handlerContext: HandlerContext,
  { openCalls, logFailure }: { openCalls: OpenCalls; logFailure: (failure: CallFailure) => void },
): OpenConnectCall {
  const timeoutMs = handlerContext.timeoutMs();
  const deadline = timeoutMs === undefined ? undefined : new Date(Date.now() + timeoutMs);
  const callSignal = new CallSignal(deadline);
  const remove = openCalls.add(callSignal);
  handlerContext.signal.addEventListener('abort', () => {
    callSignal.cancel();
  });
  const peer = peerOf(handlerContext);
  const requestId = randomUUID();
  const context: CallContext = {
    signal: callSignal.signal,
    deadline,
    peer,
    requestId,
    get actor() {
      return actorOf(handlerContext.requestHeader.get(ACTOR_HEADER) ?? '', peer);
    },
  };
  return {
    context,
    callSignal,
    failure(thrown) {
      const error: unknown = callSignal.reason ?? thrown;
      if (isWorthLogging(error)) logFailure({ error, method: `${desc.parent.typeName}/${desc.name}`, peer, requestId });
      return connectError(error, requestId);
    },
    finish() {
      callSignal.finish();
      remove();
    },
  };
}

function peerOf(handlerContext: HandlerContext): string {
  const socket = handlerContext.values.get(httpRequestKey)?.socket;
  return `${socket?.remoteAddress ?? 'unknown'}:${String(socket?.remotePort ?? 0)}`;
}

function connectError(error: unknown, requestId: string): ConnectError {
  const { code, message, info, retry } = toWireError(error, requestId);
  const details = [
    ...(info === undefined ? [] : [{ desc: ErrorInfoSchema, value: { ...info } }]),
    ...(retry === undefined ? [] : [{ desc: RetryInfoSchema, value: { ...retry } }]),
  ];
  return new ConnectError(message, code, undefined, details);
}
