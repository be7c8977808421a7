import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import postgres from 'postgres';

/** What the server sends last: it is ready, and in no transaction. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** Milliseconds that Postgres takes for `copy (query) to stdout`, read from the socket and thrown away: what a connection can give at all. */
export async function drainCopy(databaseUrl: string, query: string): Promise<number> {
  const socket = await loggedIn(databaseUrl);
  try {
    const isDone = new Promise<void>((resolve, reject) => {
      let last: Buffer = Buffer.alloc(0);
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the connection ended before the copy')));
      socket.on('data', (chunk: Buffer) => {
        last = Buffer.concat([last, chunk.subarray(-READY.length)]).subarray(-READY.length);
        if (last.equals(READY)) resolve();
      });
    });
    const start = performance.now();
    socket.write(queryMessage(`copy (${query}) to stdout`));
    await isDone;
    return performance.now() - start;
  } finally {
    socket.destroy();
  }
}

/** The driver logs in on a socket of ours, then hears no more of it; nor may a timer of its own keep the process. */
async function loggedIn(databaseUrl: string): Promise<Socket> {
  const { hostname, port } = new URL(databaseUrl);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  const sql = postgres(databaseUrl, { max: 1, fetch_types: false, max_lifetime: null, ...{ socket: () => socket } });
  await sql`select 1`;
  for (const event of ['data', 'drain', 'close', 'error']) socket.removeAllListeners(event);
  return socket;
}

function queryMessage(query: string): Buffer {
  const text = Buffer.from(`${query}\0`);
  const head = Buffer.from([0x51, 0, 0, 0, 0]);
  head.writeUInt32BE(text.length + 4, 1);
  return Buffer.concat([head, text]);
}
