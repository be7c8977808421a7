import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  Message,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { createRequestReader } from './request-reader.js';
import { checkMessage } from './validation.js';

/** The largest request message that either transport takes. */
export const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

/** What a handler knows of its call, whichever transport brought it. */
export interface CallContext {
  /** Aborts on cancellation, at the deadline and on disconnection; its reason is a RollcallError. */
  readonly signal: AbortSignal;
  readonly deadline: Date | undefined;
  /** The caller's address and port. */
  readonly peer: string;
  /** On whose behalf it is, as the caller says (`actor.ts`), for the audit trail. Throws INVALID_REQUEST where it says so badly. */
  readonly actor: string;
  /** Stands in the log and in INTERNAL errors. */
  readonly requestId: string;
}

const ENCODED = Symbol('encoded message');

/** A response whose protobuf bytes are finished: gRPC sends them as they are. */
export interface EncodedMessage {
  readonly [ENCODED]: Uint8Array;
}

/** Marks finished protobuf bytes as a response; they must not be changed afterwards. */
export function encodedMessage(bytes: Uint8Array): EncodedMessage {
  return { [ENCODED]: bytes };
}

/** An answer, at once where nothing had to be awaited for it. */
export type Soon<T> = T | Promise<T>;

type UnaryHandler<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  context: CallContext,
) => Soon<MessageInitShape<O> | EncodedMessage>;
type ServerStreamingHandler<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  context: CallContext,
) => AsyncIterable<MessageInitShape<O> | EncodedMessage>;
type ClientStreamingHandler<I extends DescMessage, O extends DescMessage> = (
  requests: AsyncIterable<MessageShape<I>>,
  context: CallContext,
) => Promise<MessageInitShape<O>>;
type BiDiStreamingHandler<I extends DescMessage, O extends DescMessage> = (
  requests: AsyncIterable<MessageShape<I>>,
  context: CallContext,
) => AsyncIterable<MessageInitShape<O> | EncodedMessage>;

type Handler<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? UnaryHandler<I, O>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? ServerStreamingHandler<I, O>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? ClientStreamingHandler<I, O>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? BiDiStreamingHandler<I, O>
          : never;

/**
 * The handlers of a service, one for each of its methods. A request arrives valid and is not to be changed; whatever a handler throws goes to the
 * caller as `errors.ts` maps it. A streaming handler's iterator is returned when the call ends early, so its `finally`
 * runs; while it awaits something it must heed `context.signal`.
 */
export type Handlers<S extends DescService> = { readonly [K in keyof S['method']]: Handler<S['method'][K]> };

/** A method with its handler, for a transport: requests are checked before the handler sees them. A unary one takes them as bytes, too. */
export type BoundMethod =
  | {
      kind: 'unary';
      desc: DescMethodUnary;
      handle: (
        request: Message | Uint8Array,
        context: CallContext,
      ) => ReturnType<UnaryHandler<DescMessage, DescMessage>>;
    }
  | {
      kind: 'server_streaming';
      desc: DescMethodServerStreaming;
      handle: ServerStreamingHandler<DescMessage, DescMessage>;
    }
  | {
      kind: 'client_streaming';
      desc: DescMethodClientStreaming;
      handle: ClientStreamingHandler<DescMessage, DescMessage>;
      /** Takes the place of the generated decoder. */
      decode?: RequestDecoder;
    }
  | { kind: 'bidi_streaming'; desc: DescMethodBiDiStreaming; handle: BiDiStreamingHandler<DescMessage, DescMessage> };

/** Decodes a request of which the handler reads more than the generated decoder gives; undefined leaves it to that one. */
export type RequestDecoder = (bytes: Buffer) => Message | undefined;

/** A service that a transport can serve. */
export interface Implementation {
  readonly service: DescService;
  readonly methods: readonly BoundMethod[];
}

/** Binds a service to its handlers. `decoders` are for methods whose callers stream. */
export function implement<S extends DescService>(
  service: S,
  handlers: Handlers<S>,
  decoders: { readonly [K in keyof S['method']]?: RequestDecoder } = {},
): Implementation {
  const byName = new Map<string, unknown>(Object.entries(handlers));
  const decoderOf = new Map<string, RequestDecoder | undefined>(Object.entries(decoders));
  const methods = service.methods.map((desc) => {
    const method = bind(desc, byName.get(desc.localName));
    const decode = decoderOf.get(desc.localName);
    return method.kind === 'client_streaming' && decode !== undefined ? { ...method, decode } : method;
  });
  return { service, methods };
}

// `Handlers<S>` has checked that the handler fits the method; a list of methods cannot carry that proof.
function bind(desc: DescMethod, handler: unknown): BoundMethod {
  if (isOfKind(desc, 'unary')) {
    const handle = handler as UnaryHandler<DescMessage, DescMessage>;
    const read = createRequestReader(desc);
    return {
      kind: 'unary',
      desc,
      handle: (request, context) =>
        handle(request instanceof Uint8Array ? read(request) : checked(desc, request), context),
    };
  }
  if (isOfKind(desc, 'server_streaming')) {
    const handle = handler as ServerStreamingHandler<DescMessage, DescMessage>;
    return { kind: 'server_streaming', desc, handle: (request, context) => handle(checked(desc, request), context) };
  }
  if (isOfKind(desc, 'client_streaming')) {
    const handle = handler as ClientStreamingHandler<DescMessage, DescMessage>;
    return {
      kind: 'client_streaming',
      desc,
      handle: (requests, context) => handle(eachChecked(desc, requests), context),
    };
  }
  if (isOfKind(desc, 'bidi_streaming')) {
    const handle = handler as BiDiStreamingHandler<DescMessage, DescMessage>;
    return {
      kind: 'bidi_streaming',
      desc,
      handle: (requests, context) => handle(eachChecked(desc, requests), context),
    };
  }
  throw new TypeError(`unknown kind of method: ${desc.name}`);
}

/** Whether a method is of a kind. */
export function isOfKind<K extends DescMethod['methodKind']>(
  desc: DescMethod,
  kind: K,
): desc is DescMethod & { readonly methodKind: K } {
  return desc.methodKind === kind;
}

function checked(desc: DescMethod, request: Message): Message {
  checkMessage(desc.input, request);
  return request;
}

async function* eachChecked(desc: DescMethod, requests: AsyncIterable<Message>): AsyncGenerator<Message, void> {
  let message = 0;
  for await (const request of requests) {
    checkMessage(desc.input, request, { message: String(message) });
    yield request;
    message += 1;
  }
}

/** The protobuf bytes of a response; finished ones are not copied. */
export function responseBytes(desc: DescMethod, response: MessageInitShape<DescMessage> | EncodedMessage): Uint8Array {
  if (isEncoded(response)) return response[ENCODED];
  return toBinary(desc.output, create(desc.output, response));
}

/** A response for a transport that encodes it itself; finished bytes are decoded. */
export function responseInit(
  desc: DescMethod,
  response: MessageInitShape<DescMessage> | EncodedMessage,
): MessageInitShape<DescMessage> {
  return isEncoded(response) ? { ...fromBinary(desc.output, response[ENCODED]) } : response;
}

function isEncoded(response: MessageInitShape<DescMessage> | EncodedMessage): response is EncodedMessage {
  return ENCODED in response;
}
