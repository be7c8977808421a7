import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A way to a server that breaks. */
export interface CuttingProxy {
  /** `host:port` */
  readonly address: string;
  /** How many connections were cut so far. */
  readonly cuts: number;
  close(): void;
}

/** Passes bytes on to a server, and cuts each of the first `maxCuts` connections after `bytesEach` bytes from the server. */
export async function startCuttingProxy(target: string, bytesEach: number, maxCuts: number): Promise<CuttingProxy> {
  const [host = '', port = ''] = target.split(':');
  let cuts = 0;
  const server = createServer((inbound) => {
    const outbound = connect(Number(port), host);
    let bytes = 0;
    outbound.on('data', (chunk) => {
      bytes += chunk.length;
      if (cuts >= maxCuts || bytes < bytesEach) return;
      cuts += 1;
      inbound.resetAndDestroy();
      outbound.destroy();
    });
    for (const socket of [inbound, outbound]) socket.on('error', () => socket.destroy());
    inbound.pipe(outbound).pipe(inbound);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get cuts() {
      return cuts;
    },
    close: () => server.close(),
  };
}
