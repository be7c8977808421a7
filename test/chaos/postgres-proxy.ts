import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Lane, openPair, type Pair } from './held-socket.js';
import { portOf } from './ports.js';

/** A simple query that begins a transaction: type, length, text. */
const BEGIN = /^Q[^]{4}begin/i;

/** Stands between one service and Postgres. */
export class PostgresProxy {
  readonly url: string;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #targetPort: number;
  #holds: 'nothing' | 'transactions' | 'everything' = 'nothing';
  #heldTransactions = 0;

  private constructor(server: Server, databaseUrl: string) {
    this.#server = server;
    const url = new URL(databaseUrl);
    this.#targetPort = Number(url.port || 5432);
    url.hostname = '127.0.0.1';
    url.port = String(portOf(server));
    this.url = url.href;
    server.on('connection', (client) => this.#accept(client));
  }

  static async start(databaseUrl: string): Promise<PostgresProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PostgresProxy(server, databaseUrl);
  }

  /** How many transactions wait to begin. */
  get heldTransactions(): number {
    return this.#heldTransactions;
  }

  /** From now on no transaction begins; those under way go on to their ends. */
  holdTransactions(): void {
    this.#holds = 'transactions';
  }

  /** From now on nothing comes through, while the connections stay open. */
  hold(): void {
    this.#holds = 'everything';
  }

  /** Lets go of what is held. */
  release(): void {
    this.#holds = 'nothing';
    this.#heldTransactions = 0;
    for (const { lanes } of this.#pairs) for (const lane of lanes) lane.retry();
  }

  cut(): void {
    for (const { client } of this.#pairs) client.destroy();
  }

  /** Whether Postgres sees a connection of this proxy as coming from this port. */
  hasPort(port: number): boolean {
    return [...this.#pairs].some(({ upstream }) => upstream.localPort === port);
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    const pair = openPair(client, this.#targetPort, (ended) => this.#pairs.delete(ended));
    this.#pairs.add(pair);
    const statements = new Lane(pair.upstream, (chunk) => this.#judgeStatement(chunk));
    const answers = new Lane(client, (chunk) => (this.#holds === 'everything' ? 'hold' : chunk));
    pair.lanes.push(statements, answers);
    client.on('data', (chunk: Buffer) => statements.take(chunk));
    pair.upstream.on('data', (chunk: Buffer) => answers.take(chunk));
  }

  #judgeStatement(chunk: Buffer): Buffer | 'hold' {
    if (this.#holds === 'everything') return 'hold';
    if (this.#holds !== 'transactions' || !BEGIN.test(chunk.toString('latin1', 0, 16))) return chunk;
    this.#heldTransactions++;
    return 'hold';
  }
}
