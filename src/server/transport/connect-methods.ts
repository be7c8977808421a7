import type { DescMethod, Message } from '@bufbuild/protobuf';
import type { ConnectRouter, HandlerContext } from '@connectrpc/connect';
import { httpRequestKey, openConnectCall } from './connect-call.js';
import type { OpenConnectCall } from './connect-call.js';
import type { CallFailure } from './errors.js';
import { responseInit } from './handlers.js';
import type { BoundMethod, CallContext, Soon } from './handlers.js';
import type { OpenCalls } from './open-calls.js';
import { stalled } from './stream-progress.js';
import type { StreamSlots } from './stream-slots.js';

/** What the methods of one server share. */
export interface ConnectMethodOptions {
  readonly streamSlots: StreamSlots;
  readonly streamProgressTimeoutMs: number;
  readonly openCalls: OpenCalls;
  readonly logFailure: (failure: CallFailure) => void;
}

type Response = Parameters<typeof responseInit>[1];

/** Adds a method to the router. Streams from the caller that go both ways need HTTP/2, so those are left out. */
export function addConnectMethod(router: ConnectRouter, method: BoundMethod, options: ConnectMethodOptions): void {
  switch (method.kind) {
    case 'unary':
      router.rpc(method.desc, (request, handlerContext) =>
        reply(method.desc, handlerContext, options, (context) => method.handle(request, context)),
      );
      break;
    case 'client_streaming':
      router.rpc(method.desc, (requests, handlerContext) =>
        reply(method.desc, handlerContext, options, (context) =>
          holdingSlot(context, options, () => method.handle(received(requests, context), context)),
        ),
      );
      break;
    case 'server_streaming':
      router.rpc(method.desc, (request, handlerContext) =>
        send(method.desc, handlerContext, options, (context) => method.handle(request, context)),
      );
      break;
    case 'bidi_streaming':
      break;
  }
}

async function reply(
  desc: DescMethod,
  handlerContext: HandlerContext,
  options: ConnectMethodOptions,
  answer: (context: CallContext) => Soon<Response>,
): Promise<Record<string, unknown>> {
  const open = openConnectCall(desc, handlerContext, options);
  try {
    return responseInit(desc, await answer(open.context));
  } catch (error) {
    throw open.failure(error);
  } finally {
    open.finish();
  }
}

async function* send(
  desc: DescMethod,
  handlerContext: HandlerContext,
  options: ConnectMethodOptions,
  responses: (context: CallContext) => AsyncIterable<Response>,
): AsyncGenerator<Record<string, unknown>, void> {
  const open = openConnectCall(desc, handlerContext, options);
  const stallTimer = createStallTimer(open, handlerContext, options.streamProgressTimeoutMs);
  let close: (() => void) | undefined;
  try {
    const stream = responses(open.context)[Symbol.asyncIterator]();
    close = closeWhenOver(stream, open, [options.streamSlots.take(open.context.peer), stallTimer.disarm]);
    for (let next = await stream.next(); next.done !== true; next = await stream.next()) {
      stallTimer.arm();
      yield responseInit(desc, next.value);
      stallTimer.disarm();
    }
    open.context.signal.throwIfAborted();
  } catch (error) {
    throw open.failure(error);
  } finally {
    close?.();
    open.finish();
  }
}

/**
 * Returns what closes the handler's iterator and runs the other clean-ups. The end of the call does so too: the adapter
 * never resumes a generator whose connection broke while it waited for room.
 */
function closeWhenOver(
  stream: AsyncIterator<Response>,
  { context: { signal } }: OpenConnectCall,
  cleanUps: readonly (() => void)[],
): () => void {
  const close = (): void => {
    for (const cleanUp of cleanUps) cleanUp();
    stream.return?.().catch(() => undefined); // nobody is left to be told
  };
  signal.addEventListener('abort', close, { once: true });
  return close;
}

/** Armed while the connection takes a response; one that takes nothing for too long is closed. */
function createStallTimer(
  open: OpenConnectCall,
  handlerContext: HandlerContext,
  timeoutMs: number,
): { readonly arm: () => void; readonly disarm: () => void } {
  let timer: NodeJS.Timeout | undefined;
  return {
    arm(): void {
      timer = setTimeout(() => {
        open.callSignal.fail(stalled(timeoutMs));
        handlerContext.values.get(httpRequestKey)?.socket.destroy();
      }, timeoutMs);
    },
    disarm(): void {
      clearTimeout(timer);
    },
  };
}

async function holdingSlot<T>(
  context: CallContext,
  { streamSlots }: ConnectMethodOptions,
  work: () => Promise<T>,
): Promise<T> {
  const release = streamSlots.take(context.peer);
  try {
    return await work();
  } finally {
    release();
  }
}

/** A request stream that was cut must not look like one that ended. */
async function* received(requests: AsyncIterable<Message>, { signal }: CallContext): AsyncGenerator<Message, void> {
  yield* requests;
  signal.throwIfAborted();
}
