import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { withFalseHints } from './false-hints.js';
import { Lane, openPair, type Pair } from './held-socket.js';
import { apiKeyOf, FrameCutter, OFFSET_COMMIT, withPort, withSessionTimeout } from './kafka-frames.js';
import { portOf } from './ports.js';
import type { Random } from './random.js';

export interface KafkaProxyOptions {
  readonly brokerPort: number;
  readonly sessionTimeoutMs: number;
  readonly random: Random;
}

/** Stands between one service and the broker, shortens the session timeout that the service asks for, and lets no hint be trusted. */
export class KafkaProxy {
  readonly #server: Server;
  readonly #brokerPort: number;
  readonly #sessionTimeoutMs: number;
  readonly #random: Random;
  readonly #pairs = new Set<Pair>();
  #isHeld = false;
  #onOffsetCommit: (() => void) | undefined;

  private constructor(server: Server, { brokerPort, sessionTimeoutMs, random }: KafkaProxyOptions) {
    this.#server = server;
    this.#brokerPort = brokerPort;
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.#random = random;
    server.on('connection', (client) => this.#accept(client));
  }

  static async start(options: KafkaProxyOptions): Promise<KafkaProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new KafkaProxy(server, options);
  }

  get port(): number {
    return portOf(this.#server);
  }

  /** From now on nothing comes through, while the connections stay open. */
  hold(): void {
    this.#isHeld = true;
  }

  /** Calls back when the service is about to commit an offset, which waits until it is let go. */
  holdOffsetCommits(onOffsetCommit: () => void): void {
    this.#onOffsetCommit = onOffsetCommit;
  }

  /** Lets go of what is held. */
  release(): void {
    this.#isHeld = false;
    this.#onOffsetCommit = undefined;
    for (const { lanes } of this.#pairs) for (const lane of lanes) lane.retry();
  }

  cut(): void {
    for (const { client } of this.#pairs) client.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    const pair = openPair(client, this.#brokerPort, (ended) => this.#pairs.delete(ended));
    this.#pairs.add(pair);
    const requests = new Lane(pair.upstream, (request) => this.#judgeRequest(request));
    const responses = new Lane(client, (response) =>
      this.#isHeld ? 'hold' : withPort(response, this.#brokerPort, this.port),
    );
    pair.lanes.push(requests, responses);
    for (const [from, lane] of [
      [client, requests],
      [pair.upstream, responses],
    ] as const) {
      const cutter = new FrameCutter();
      from.on('data', (chunk: Buffer) => {
        for (const frame of cutter.cut(chunk)) lane.take(frame);
      });
    }
  }

  #judgeRequest(request: Buffer): Buffer | 'hold' {
    if (this.#isHeld) return 'hold';
    if (this.#onOffsetCommit !== undefined && apiKeyOf(request) === OFFSET_COMMIT) {
      this.#onOffsetCommit();
      return 'hold';
    }
    return withFalseHints(withSessionTimeout(request, this.#sessionTimeoutMs), this.#random);
  }
}
