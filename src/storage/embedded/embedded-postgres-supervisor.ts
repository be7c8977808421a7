import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from './embedded-postgres-cluster.js';
import { startServer, stopOrphan } from './embedded-postgres-process.js';
import type { ServerProcess } from './embedded-postgres-process.js';

const START_ATTEMPTS = 20;
const RESTART_PAUSE_MS = 500;
/** Another program took the port meanwhile, or backends of a server that was killed are still ending. */
const PASSING_START_FAILURE = /could not bind|Address already in use|shared memory block/;

/** A server that is started again, on the same port, whenever it ends by itself. */
export interface Supervised {
  readonly port: number;
  stop(): Promise<void>;
  onExit(listener: (description: string) => void): void;
}

/** Starts the server on a free port of 127.0.0.1 and keeps it running until `stop`. */
export async function supervise(
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
  log: (line: string) => void,
): Promise<Supervised> {
  const listeners: ((description: string) => void)[] = [];
  const stopping = new AbortController();
  const first = await startOnFreePort(cluster, settings, log);
  const keepRunning = async (): Promise<void> => {
    for (let server: ServerProcess | undefined = first.server; server !== undefined;) {
      const ended: string | undefined = await Promise.race([server.exited, untilAborted(stopping.signal)]);
      if (ended === undefined) return server.stop();
      log(`The database server ended by itself (${ended}); starting it again`);
      for (const listener of listeners) listener(ended);
      server = await restart(cluster, settings, first.port, log, stopping.signal);
    }
  };
  const ended = keepRunning();
  return {
    port: first.port,
    async stop() {
      stopping.abort();
      await ended;
    },
    onExit: (listener) => {
      listeners.push(listener);
    },
  };
}

/** Tries until the server runs; undefined when it shall not any more. */
async function restart(
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
  port: number,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<ServerProcess | undefined> {
  while (!signal.aborted) {
    try {
      await stopOrphan(cluster.folder, log);
      return await startServer(cluster, listenOn(port, settings), log);
    } catch (error) {
      log(error instanceof Error ? error.message : String(error));
      await delay(RESTART_PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  }
  return undefined;
}

async function startOnFreePort(
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
  log: (line: string) => void,
): Promise<{ server: ServerProcess; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      return { server: await startServer(cluster, listenOn(port, settings), log), port };
    } catch (error) {
      if (attempt === START_ATTEMPTS || !(error instanceof Error) || !PASSING_START_FAILURE.test(error.message))
        throw error;
      await delay(RESTART_PAUSE_MS);
    }
  }
}

function listenOn(port: number, settings: Readonly<Record<string, string>>): Map<string, string> {
  return new Map([
    ...Object.entries(settings),
    ['listen_addresses', '127.0.0.1'],
    ['port', String(port)],
    ['unix_socket_directories', ''],
  ]);
}

async function freePort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolvePort(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function untilAborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return undefined;
  await new Promise((resolveAborted) => signal.addEventListener('abort', resolveAborted, { once: true }));
  return undefined;
}
