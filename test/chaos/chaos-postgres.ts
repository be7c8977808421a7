import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.js';
import type { ChaosDatabase } from './world.js';

/** A server of the harness's own; its one database is empty. */
export interface ChaosPostgres extends ChaosDatabase {
  /** Ends it; its data stays. */
  stop(): Promise<void>;
}

/** Starts a server whose data is within a folder. */
export async function startChaosPostgres(folder: string): Promise<ChaosPostgres> {
  const dataDirectory = join(folder, 'postgres');
  await mkdir(dataDirectory);
  for (const path of [folder, dataDirectory]) await chmod(path, 0o711);
  // What is killed are processes, never the machine: nothing that was written is lost without fsync.
  const server = await startEmbeddedPostgres({ dataDirectory, log: () => undefined, settings: { fsync: 'off' } });
  let stopping: Promise<void> | undefined;
  return {
    url: server.url,
    async killServer() {
      process.kill(await readServerPid(join(dataDirectory, 'cluster')), 'SIGKILL');
    },
    stop: () => (stopping ??= server.stop()),
  };
}

/** The first line of the file that Postgres keeps beside its data. */
async function readServerPid(cluster: string): Promise<number> {
  const [line = ''] = (await readFile(join(cluster, 'postmaster.pid'), 'utf8')).split('\n');
  return Number(line);
}
