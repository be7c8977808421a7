import { createServer } from 'node:net';
import type { Server } from 'node:net';

/** Two ports of 127.0.0.1 on which nothing listens now. */
export async function freePorts(): Promise<[number, number]> {
  const [first, second] = await Promise.all([listen(0), listen(0)]);
  return [await close(first), await close(second)];
}

/** Whether nothing listens on a port of 127.0.0.1 now. */
export async function isPortFree(port: number): Promise<boolean> {
  try {
    await close(await listen(port));
    return true;
  } catch {
    return false;
  }
}

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** The port that it had. */
function close(server: Server): Promise<number> {
  const address = server.address();
  return new Promise((resolve) => {
    server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
  });
}
