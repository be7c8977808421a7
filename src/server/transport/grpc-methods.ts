import { constants, type Http2Session, type Http2Stream } from 'node:http2';
import type { DescMethod, Message } from '@bufbuild/protobuf';
import { Metadata } from '@grpc/grpc-js';
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  sendUnaryData,
  ServerDuplexStream,
  ServerReadableStream,
  ServerWritableStream,
  UntypedHandleCall,
} from '@grpc/grpc-js';
import { RollcallError } from '../../core/errors.js';
import type { CallFailure } from './errors.js';
import { callFailure, GrpcCallContext, onCallOver, openCall } from './grpc-call.js';
import type { GrpcCall, OpenCall } from './grpc-call.js';
import { responseBytes } from './handlers.js';
import type { BoundMethod, RequestDecoder } from './handlers.js';
import type { OpenCalls } from './open-calls.js';
import { decodeRequest } from './request-reader.js';
import { drained, watchProgress } from './stream-progress.js';
import type { StreamSlots } from './stream-slots.js';

/** What the methods of one server share. */
export interface GrpcMethodOptions {
  readonly streamSlots: StreamSlots;
  readonly streamProgressTimeoutMs: number;
  readonly openCalls: OpenCalls;
  readonly logFailure: (failure: CallFailure) => void;
}

type Kind<K extends BoundMethod['kind']> = Extract<BoundMethod, { kind: K }>;
type SendingCall = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;
type ReceivingCall = ServerReadableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;
type Response = Parameters<typeof responseBytes>[1];

/** grpc-js's handler of a method; messages are Buffers of protobuf bytes on its side. */
export function grpcMethod(method: BoundMethod, options: GrpcMethodOptions): UntypedHandleCall {
  switch (method.kind) {
    case 'unary':
      return unary(method, options);
    case 'server_streaming':
      return serverStreaming(method, options);
    case 'client_streaming':
      return clientStreaming(method, options);
    case 'bidi_streaming':
      return bidiStreaming(method, options);
  }
}

function unary({ desc, handle }: Kind<'unary'>, options: GrpcMethodOptions): handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => {
    const context = new GrpcCallContext(call);
    let bytes: Buffer;
    try {
      const response = handle(call.request, context);
      if (response instanceof Promise) {
        void reply(desc, response, openCall(call, desc, options, context), callback);
        return;
      }
      bytes = asBuffer(responseBytes(desc, response));
    } catch (error) {
      callback(callFailure(error, context, desc, options.logFailure));
      return;
    }
    callback(null, bytes);
  };
}

function clientStreaming(
  method: Kind<'client_streaming'>,
  options: GrpcMethodOptions,
): handleClientStreamingCall<Buffer, Buffer> {
  return (call, callback) => {
    const open = openCall(call, method.desc, options);
    widenWindow(call);
    const answer = async (): Promise<Response> => {
      takeSlot(call, method.desc, options);
      return method.handle(received(call, method.desc, open, method.decode), open.context);
    };
    void reply(method.desc, answer(), open, callback);
  };
}

function serverStreaming(
  method: Kind<'server_streaming'>,
  options: GrpcMethodOptions,
): handleServerStreamingCall<Buffer, Buffer> {
  return (call) => {
    const open = openCall(call, method.desc, options);
    const responses = (): AsyncIterable<Response> => {
      takeSlot(call, method.desc, options);
      return method.handle(decodeRequest(method.desc.input, call.request), open.context);
    };
    void send(call, method.desc, responses, open, options.streamProgressTimeoutMs);
  };
}

function bidiStreaming(
  method: Kind<'bidi_streaming'>,
  options: GrpcMethodOptions,
): handleBidiStreamingCall<Buffer, Buffer> {
  return (call) => {
    const open = openCall(call, method.desc, options);
    const responses = (): AsyncIterable<Response> => {
      takeSlot(call, method.desc, options);
      return method.handle(received(call, method.desc, open), open.context);
    };
    void send(call, method.desc, responses, open, options.streamProgressTimeoutMs);
  };
}

async function reply(
  desc: DescMethod,
  answer: Promise<Response>,
  open: OpenCall,
  callback: sendUnaryData<Buffer>,
): Promise<void> {
  try {
    const bytes = asBuffer(responseBytes(desc, await answer));
    open.finish();
    callback(null, bytes);
  } catch (error) {
    open.finish();
    callback(open.failure(error));
  }
}

/** Sends all responses, no faster than the caller reads; leaving the loop returns the handler's iterator. */
async function send(
  call: SendingCall,
  desc: DescMethod,
  responses: () => AsyncIterable<Response>,
  open: OpenCall,
  timeoutMs: number,
): Promise<void> {
  const { signal } = open.context;
  try {
    for await (const response of responses()) {
      signal.throwIfAborted();
      if (!call.write(asBuffer(responseBytes(desc, response)))) await drained(call, signal, timeoutMs);
    }
    signal.throwIfAborted();
    open.finish();
    call.end();
  } catch (error) {
    open.finish();
    call.emit('error', open.failure(error));
  }
  resetIfNeverRead(call, timeoutMs);
}

/**
 * The requests. A stream that was cut must not look like one that ended: grpc-js reports the end before the cut, but
 * looks whether the stream is still there when headers are sent, and then reports the cut.
 */
async function* received(
  call: ReceivingCall,
  desc: DescMethod,
  { context }: OpenCall,
  decode: RequestDecoder = () => undefined,
): AsyncGenerator<Message, void> {
  // Without the option, reading to the end would destroy the side that sends, too.
  const requests: AsyncIterable<Buffer> = call.iterator({ destroyOnReturn: false });
  for await (const bytes of requests) yield decode(bytes) ?? decodeRequest(desc.input, bytes);
  call.sendMetadata(new Metadata());
  await new Promise(setImmediate);
  context.signal.throwIfAborted();
  // At the deadline grpc-js ends the stream by a timer of its own, which may be before ours.
  if ((context.deadline?.getTime() ?? Infinity) - Date.now() < DEADLINE_SLACK_MS)
    throw new RollcallError('DEADLINE_EXCEEDED', 'the deadline passed');
}

const DEADLINE_SLACK_MS = 20;

/** The place is given back when the call is over, not when the handler is: what is buffered still occupies memory. */
function takeSlot(call: GrpcCall, desc: DescMethod, { streamSlots }: GrpcMethodOptions): void {
  if (desc.parent.typeName.startsWith('grpc.')) return;
  onCallOver(call, streamSlots.take(call.getPeer()));
}

/**
 * grpc-js ends a stream only once the caller has read what is buffered. One that never does would hold its buffers and
 * its place for ever, so it is reset; a caller sees RESOURCE_EXHAUSTED.
 */
function resetIfNeverRead(call: SendingCall, timeoutMs: number): void {
  if (call.destroyed) return;
  const stopWatching = watchProgress(call, timeoutMs, () => {
    http2StreamOf(call)?.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });
  call.once('close', stopWatching);
}

/** Bytes that a caller who streams may send ahead of what is read of them, on one connection. */
const RECEIVE_WINDOW_BYTES = 1024 * 1024;
const widened = new WeakSet<Http2Session>();

/** By default 64 KiB are on their way at most, of a stream and of its connection: the server would wait for its callers. */
function widenWindow(call: object): void {
  const session = http2StreamOf(call)?.session;
  if (session === undefined || session.destroyed || widened.has(session)) return;
  widened.add(session);
  session.settings({ initialWindowSize: RECEIVE_WINDOW_BYTES });
  session.setLocalWindowSize(2 * RECEIVE_WINDOW_BYTES);
}

// grpc-js gives no way to its streams, so this looks for the one beneath; the tests notice when it moves.
function http2StreamOf(call: object): Http2Stream | undefined {
  if (!('call' in call) || typeof call.call !== 'object' || call.call === null || !('stream' in call.call))
    return undefined;
  const { stream } = call.call;
  return isHttp2Stream(stream) ? stream : undefined;
}

function isHttp2Stream(stream: unknown): stream is Http2Stream {
  return typeof stream === 'object' && stream !== null && 'close' in stream && 'session' in stream;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
