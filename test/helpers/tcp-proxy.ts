import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';

/** Stands between a client and a server, and can cut their connections as a network does: without a word. */
export interface TcpProxy {
  /** The server's URL by way of the proxy. */
  readonly url: string;
  cutConnections(): void;
  /** From now on nothing comes through, in either direction, while the connections stay open. */
  freeze(): void;
  close(): Promise<void>;
}

/** Listens on `port`, by default on any free one. */
export async function startTcpProxy(serverUrl: string, port = 0): Promise<TcpProxy> {
  const target = new URL(serverUrl);
  const sockets = new Set<Socket>();
  let isFrozen = false;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port || 5432), target.hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined).on('close', () => to.destroy());
      from.on('close', () => sockets.delete(from));
      if (!isFrozen) from.pipe(to);
    }
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const url = new URL(serverUrl);
  url.hostname = '127.0.0.1';
  if (typeof address === 'object' && address !== null) url.port = String(address.port);
  const cutConnections = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: url.href,
    cutConnections,
    freeze() {
      isFrozen = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
    async close() {
      cutConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
