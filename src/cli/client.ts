import type {
  DescMessage,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { CallOptions, ClientWritableStream, ServiceError } from '@grpc/grpc-js';
import { Client, Metadata, credentials } from '@grpc/grpc-js';
import { ACTOR_HEADER } from '../server/transport/actor.js';
import { configureProtobufText } from '../server/transport/protobuf-text.js';
import { callError } from './call-errors.js';

/**
 * How much of a stream may be on its way: grpc-js takes this on the client only. Its default of 65,535 bytes allows one stream
 * 1.6 MB/s at a round trip of 40 ms.
 */
const FLOW_CONTROL_WINDOW_BYTES = 4 * 1024 * 1024;

/** A page of 1,000 members with large traits is far beyond the default of 4 MiB. */
const MAX_RECEIVE_BYTES = 256 * 1024 * 1024;

export interface ClientOptions {
  /** `host:port`. */
  readonly address: string;
  /** The deadline of each unary call; streams have none. */
  readonly timeoutMs: number;
  /** On whose behalf it calls, for the audit trail; the server takes the address where it is left out. */
  readonly actor?: string | undefined;
  /** Aborting it cancels every call. */
  readonly signal: AbortSignal;
}

/** A connection to a server. Every call throws the `RollcallError` that the server sent, or a `CommandError` where none answers. */
export class RollcallClient {
  readonly address: string;
  readonly #client: Client;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;
  readonly #metadata = new Metadata();

  constructor(options: ClientOptions) {
    configureProtobufText();
    this.address = options.address;
    this.#timeoutMs = options.timeoutMs;
    this.#signal = options.signal;
    if (options.actor !== undefined) this.#metadata.set(ACTOR_HEADER, encodeURIComponent(options.actor));
    this.#client = new Client(options.address, credentials.createInsecure(), {
      'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
      'grpc.max_receive_message_length': MAX_RECEIVE_BYTES,
    });
  }

  /** Resolves when the server can be reached; throws SERVER_UNREACHABLE after `timeoutMs`. */
  async waitForReady(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#client.waitForReady(Date.now() + timeoutMs, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }

  async call<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
  ): Promise<MessageShape<Output>> {
    const { path, encode, decode } = codecOf(method);
    const options: CallOptions = { deadline: Date.now() + this.#timeoutMs };
    return this.#answer((callback) =>
      this.#client.makeUnaryRequest(path, encode, decode, request, this.#metadata, options, callback),
    );
  }

  /** Sends `requests`, encoded already or not, as fast as the server takes them. A failure of the call ends it at once. */
  async callWithStream<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodClientStreaming<Input, Output>,
    requests: AsyncIterable<MessageInitShape<Input> | Buffer>,
  ): Promise<MessageShape<Output>> {
    const { path, encode, decode } = codecOf(method);
    const pass = (request: MessageInitShape<Input> | Buffer) => (Buffer.isBuffer(request) ? request : encode(request));
    let call: ClientWritableStream<MessageInitShape<Input> | Buffer> | undefined;
    const answer = this.#answer<MessageShape<Output>>((callback) => {
      call = this.#client.makeClientStreamRequest(path, pass, decode, this.#metadata, {}, callback);
      return call;
    });
    if (call !== undefined) await sendAll(call, requests, answer);
    return answer;
  }

  /** The messages as they arrive; leaving the loop cancels the call. */
  async *stream<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodServerStreaming<Input, Output>,
    request: MessageInitShape<Input>,
  ): AsyncGenerator<MessageShape<Output>> {
    const { path, encode, decode } = codecOf(method);
    const call = this.#client.makeServerStreamRequest(path, encode, decode, request, this.#metadata, {});
    const cancel = (): void => call.cancel();
    this.#signal.addEventListener('abort', cancel);
    call.on('error', () => undefined);
    try {
      for await (const message of call) yield message;
    } catch (error) {
      throw this.#translate(error);
    } finally {
      this.#signal.removeEventListener('abort', cancel);
      call.cancel();
    }
  }

  close(): void {
    this.#client.close();
  }

  async #answer<Answer>(
    start: (callback: (error: ServiceError | null, answer?: Answer) => void) => { cancel(): void },
  ): Promise<Answer> {
    this.#signal.throwIfAborted();
    let cancel: (() => void) | undefined;
    try {
      return await new Promise<Answer>((resolve, reject) => {
        const call = start((error, answer) => {
          if (error !== null) reject(error);
          else if (answer !== undefined) resolve(answer);
        });
        cancel = () => call.cancel();
        this.#signal.addEventListener('abort', cancel);
      });
    } catch (error) {
      throw this.#translate(error);
    } finally {
      if (cancel !== undefined) this.#signal.removeEventListener('abort', cancel);
    }
  }

  #translate(error: unknown): unknown {
    if (this.#signal.aborted) return this.#signal.reason;
    return isServiceError(error) ? callError(error, this.address) : error;
  }
}

function codecOf<Input extends DescMessage, Output extends DescMessage>(method: {
  readonly name: string;
  readonly parent: { readonly typeName: string };
  readonly input: Input;
  readonly output: Output;
}) {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    encode: (request: MessageInitShape<Input>): Buffer =>
      bufferOf(toBinary(method.input, create(method.input, request))),
    decode: (bytes: Buffer): MessageShape<Output> => fromBinary(method.output, bytes),
  };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

async function sendAll<Request>(
  call: ClientWritableStream<Request>,
  requests: AsyncIterable<Request>,
  answer: Promise<unknown>,
): Promise<void> {
  const over = answer.then(
    () => true,
    () => true,
  );
  // The stream itself would take 16 messages, however large, before it says that it is full.
  const taken = (request: Request) => new Promise<boolean>((resolve) => call.write(request, () => resolve(false)));
  try {
    for await (const request of requests) if (await Promise.race([over, taken(request)])) return;
  } catch (error) {
    call.cancel();
    throw error;
  }
  call.end();
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'metadata' in error;
}
