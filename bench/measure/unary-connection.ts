import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const FRAME_HEAD = 9;
const MESSAGE_HEAD = 5;
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
const FLAG = { ack: 1, endStream: 1, endHeaders: 4 } as const;
const WINDOW_STEP = 0x3fff_ffff;

/**
 * One gRPC connection for unary calls of which only the message matters: no TLS, statuses and response headers are not read (an error is an answer
 * without a message). A call costs it a few microseconds, where grpc-js's client costs more than the server that is to be measured.
 */
export class UnaryConnection {
  readonly #socket: Socket;
  #onAnswer: (stream: number, message: Buffer) => void = () => undefined;
  #onFailure: (error: Error) => void = () => undefined;
  readonly #messages = new Map<number, Buffer>();
  #rest: Buffer = Buffer.alloc(0);
  #nextStream = 1;
  #received = 0;

  /** To host:port. */
  static async open(address: string): Promise<UnaryConnection> {
    const { hostname, port } = new URL(`http://${address}`);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new UnaryConnection(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', (error) => this.#onFailure(error));
    socket.on('close', () => this.#onFailure(new Error('the connection was closed')));
    socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0, Buffer.alloc(0)), windowUpdate(WINDOW_STEP)]));
  }

  /** Who is told of each answer: its call's stream, and the encoded message. */
  onAnswer(listener: (stream: number, message: Buffer) => void): void {
    this.#onAnswer = listener;
  }

  /** Who is told of an error of the connection or of a call. */
  onFailure(listener: (error: Error) => void): void {
    this.#onFailure = listener;
  }

  /** Sends a call made by `encodeCall`; gives its stream. */
  send(call: EncodedCall): number {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const bytes = Buffer.from(call.bytes);
    for (const at of call.streamsAt) bytes.writeUInt32BE(stream, at);
    this.#socket.write(bytes);
    return stream;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** What is sent while frames are read goes out together. */
  #receive(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    this.#socket.cork();
    while (all.length - at >= FRAME_HEAD) {
      const end = at + FRAME_HEAD + all.readUIntBE(at, 3);
      if (end > all.length) break;
      this.#take(all[at + 3] ?? 0, all[at + 4] ?? 0, all.readUInt32BE(at + 5), all.subarray(at + FRAME_HEAD, end));
      at = end;
    }
    this.#socket.uncork();
    this.#rest = all.subarray(at);
  }

  #take(type: number, flags: number, stream: number, payload: Buffer): void {
    switch (type) {
      case FRAME.data:
        this.#messages.set(stream, payload);
        this.#widenWindow(payload.length);
        return;
      case FRAME.headers:
        if ((flags & FLAG.endStream) !== 0) this.#finish(stream);
        return;
      case FRAME.settings:
      case FRAME.ping:
        if ((flags & FLAG.ack) === 0)
          this.#socket.write(frame(type, FLAG.ack, 0, type === FRAME.ping ? payload : Buffer.alloc(0)));
        return;
      case FRAME.reset:
      case FRAME.goAway:
        this.#onFailure(new Error(type === FRAME.reset ? 'the call was reset' : 'the server ends the connection'));
    }
  }

  #finish(stream: number): void {
    const message = this.#messages.get(stream);
    this.#messages.delete(stream);
    if (message === undefined) this.#onFailure(new Error('the call was answered with an error'));
    else this.#onAnswer(stream, message.subarray(MESSAGE_HEAD));
  }

  #widenWindow(bytes: number): void {
    this.#received += bytes;
    if (this.#received < WINDOW_STEP / 2) return;
    this.#socket.write(windowUpdate(this.#received));
    this.#received = 0;
  }
}

/** A call ready to be sent: its frames, and where the number of the stream goes. */
export interface EncodedCall {
  readonly bytes: Buffer;
  readonly streamsAt: readonly number[];
}

/** The call of a method (`/package.Service/Method`) with an encoded message. */
export function encodeCall(path: string, message: Uint8Array): EncodedCall {
  const fields: readonly (readonly [string, string])[] = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'localhost'],
    ['te', 'trailers'],
    ['content-type', 'application/grpc'],
  ];
  const headers = frame(
    FRAME.headers,
    FLAG.endHeaders,
    0,
    Buffer.concat(fields.map(([name, value]) => Buffer.concat([Buffer.of(0), literal(name), literal(value)]))),
  );
  const head = Buffer.alloc(MESSAGE_HEAD);
  head.writeUInt32BE(message.length, 1);
  const data = frame(FRAME.data, FLAG.endStream, 0, Buffer.concat([head, message]));
  return { bytes: Buffer.concat([headers, data]), streamsAt: [5, headers.length + 5] };
}

/** A text in HPACK, as it is. */
function literal(text: string): Buffer {
  if (text.length >= 127) throw new RangeError('a header of a call is too long');
  return Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')]);
}

function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(FRAME.windowUpdate, 0, 0, payload);
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(FRAME_HEAD);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
