import { connect, type Socket } from 'node:net';

/** What becomes of a piece that comes by: `hold` it and what follows on its way, or pass these bytes on. */
export type Verdict = 'hold' | Buffer;

/** One direction of a proxied connection. What is held keeps its order and goes on when it is let go. */
export class Lane {
  readonly #to: Socket;
  readonly #judge: (piece: Buffer) => Verdict;
  #held: Buffer[] = [];

  constructor(to: Socket, judge: (piece: Buffer) => Verdict) {
    this.#to = to;
    this.#judge = judge;
  }

  take(piece: Buffer): void {
    const verdict = this.#held.length > 0 ? 'hold' : this.#judge(piece);
    if (verdict === 'hold') this.#held.push(piece);
    else this.#to.write(verdict);
  }

  /** Judges what is held again. */
  retry(): void {
    const held = this.#held;
    this.#held = [];
    for (const piece of held) this.take(piece);
  }
}

/** A client's connection and the one to the server behind it: where one ends the other does. */
export interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly lanes: Lane[];
}

/** Connects a client's socket on to the server. `onEnd` when it is over. */
export function openPair(client: Socket, port: number, onEnd: (pair: Pair) => void): Pair {
  const upstream = connect(port, '127.0.0.1');
  const pair: Pair = { client, upstream, lanes: [] };
  for (const [one, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    one.setNoDelay(true);
    one.on('error', () => undefined);
    one.on('close', () => {
      other.destroy();
      onEnd(pair);
    });
  }
  return pair;
}
