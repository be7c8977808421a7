import { connect } from 'node:http2';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.js';
import type { ErrorInfo } from '../../src/gen/google/rpc/error_details_pb.js';
import { StatusSchema } from '../../src/gen/google/rpc/status_pb.js';

/** Options of one call. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

type Unary<I extends DescMessage, O extends DescMessage> = (
  request: MessageInitShape<I>,
  options?: CallOptions,
) => Promise<MessageShape<O>>;
type ServerStreaming<I extends DescMessage, O extends DescMessage> = (
  request: MessageInitShape<I>,
  options?: CallOptions,
) => AsyncIterable<MessageShape<O>>;
type ClientStreaming<I extends DescMessage, O extends DescMessage> = (
  requests: Iterable<MessageInitShape<I>> | AsyncIterable<MessageInitShape<I>>,
  options?: CallOptions,
) => Promise<MessageShape<O>>;

type Call<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? Unary<I, O>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? ServerStreaming<I, O>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? ClientStreaming<I, O>
        : M extends DescMethodBiDiStreaming
          ? never
          : never;

/** A client of one service over grpc-js: a function for each of its methods, and `close`. */
export type GrpcClient<S extends DescService> = { readonly [K in keyof S['method']]: Call<S['method'][K]> } & {
  readonly close: () => void;
};

/** Connects to a gRPC server on this machine. Calls that fail reject with grpc-js's ServiceError; see `errorInfoOf`. */
export function connectGrpcClient<S extends DescService>(service: S, port: number): GrpcClient<S> {
  const client = rawGrpcClient(port);
  const methods = service.methods.map((method) => [method.localName, callOf(client, method)] as const);
  const close = (): void => {
    client.close();
  };
  return { ...Object.fromEntries(methods), close } as unknown as GrpcClient<S>;
}

/** grpc-js's own client, for tests that hold back reading. */
export function rawGrpcClient(port: number): Client {
  const options = { 'grpc.max_receive_message_length': -1, 'grpc.use_local_subchannel_pool': 1 };
  return new Client(`127.0.0.1:${String(port)}`, credentials.createInsecure(), options);
}

/** Begins a server stream of raw bytes that the test reads by itself, or does not. */
export function openRawStream(
  client: Client,
  method: DescMethod,
  request: Uint8Array,
  options?: CallOptions,
): ClientReadableStream<Buffer> {
  const bytes = Buffer.from(request);
  const stream = client.makeServerStreamRequest(
    pathOf(method),
    asItIs,
    asItIs,
    bytes,
    new Metadata(),
    deadline(options),
  );
  // Until it was asked for a first message, grpc-js's client buffers whatever comes.
  stream.read(0);
  return stream;
}

/** Sends one message as a client would that has no timers and ends nothing by itself; for calls cut short. */
export function openRawCall(
  port: number,
  method: DescMethod,
  message: Uint8Array,
  headers: Record<string, string> = {},
) {
  const session = connect(`http://127.0.0.1:${String(port)}`);
  const stream = session.request({
    ':method': 'POST',
    ':path': pathOf(method),
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => undefined);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  stream.write(Buffer.concat([frame, message]));
  return { session, stream };
}

/** The ErrorInfo in an error's status details; undefined where there is none. */
export function errorInfoOf(error: unknown): ErrorInfo | undefined {
  if (!isServiceError(error)) return undefined;
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  if (!(bytes instanceof Uint8Array)) return undefined;
  const { details } = fromBinary(StatusSchema, bytes);
  return details.map((detail) => anyUnpack(detail, ErrorInfoSchema)).find((info) => info !== undefined);
}

/** The error that a promise rejects with; fails where it resolves. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  if (outcome === undefined) throw new Error('expected a rejection');
  return outcome.error;
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'metadata' in error && error.metadata instanceof Metadata;
}

function callOf(client: Client, method: DescMethod): unknown {
  switch (method.methodKind) {
    case 'unary':
      return (request: Record<string, unknown>, options?: CallOptions) => unary(client, method, request, options);
    case 'server_streaming':
      return (request: Record<string, unknown>, options?: CallOptions) =>
        serverStreaming(client, method, request, options);
    case 'client_streaming':
      return (requests: Iterable<Record<string, unknown>>, options?: CallOptions) =>
        clientStreaming(client, method, requests, options);
    case 'bidi_streaming':
      return undefined;
  }
}

function unary(client: Client, method: DescMethod, request: Record<string, unknown>, options?: CallOptions) {
  return new Promise((resolve, reject) => {
    const call = client.makeUnaryRequest(
      pathOf(method),
      asItIs,
      asItIs,
      encode(method, request),
      metadataOf(options),
      deadline(options),
      (error, bytes) => {
        if (error !== null || bytes === undefined) reject(error ?? new Error('no response'));
        else resolve(fromBinary(method.output, bytes));
      },
    );
    options?.signal?.addEventListener('abort', () => {
      call.cancel();
    });
  });
}

async function* serverStreaming(
  client: Client,
  method: DescMethod,
  request: Record<string, unknown>,
  options?: CallOptions,
) {
  const bytes = encode(method, request);
  const call = client.makeServerStreamRequest(
    pathOf(method),
    asItIs,
    asItIs,
    bytes,
    metadataOf(options),
    deadline(options),
  );
  options?.signal?.addEventListener('abort', () => {
    call.cancel();
  });
  const responses: AsyncIterable<Buffer> = call;
  try {
    for await (const response of responses) yield fromBinary(method.output, response);
  } finally {
    call.cancel();
  }
}

async function clientStreaming(
  client: Client,
  method: DescMethod,
  requests: Iterable<Record<string, unknown>> | AsyncIterable<Record<string, unknown>>,
  options?: CallOptions,
) {
  const { promise, resolve, reject } = withResolvers<unknown>();
  const call = client.makeClientStreamRequest<Buffer, Buffer>(
    pathOf(method),
    asItIs,
    asItIs,
    metadataOf(options),
    deadline(options),
    (error, bytes) => {
      if (error !== null || bytes === undefined) reject(error ?? new Error('no response'));
      else resolve(fromBinary(method.output, bytes));
    },
  );
  options?.signal?.addEventListener('abort', () => {
    call.cancel();
  });
  const over = new AbortController();
  const isOver = promise
    .then(
      () => undefined,
      () => undefined,
    )
    .finally(() => {
      over.abort();
    });
  for await (const request of requests) {
    if (over.signal.aborted) break;
    if (!call.write(encode(method, request))) {
      await Promise.race([isOver, new Promise((drained) => call.once('drain', drained))]);
    }
  }
  call.end();
  return promise;
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function encode(method: DescMethod, request: Record<string, unknown>): Buffer {
  return Buffer.from(toBinary(method.input, create(method.input, request)));
}

function deadline(options: CallOptions | undefined): { deadline?: number } {
  return options?.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
}

function asItIs(bytes: Buffer): Buffer {
  return bytes;
}

function metadataOf(options: CallOptions | undefined): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(options?.headers ?? {})) metadata.set(name, value);
  return metadata;
}
