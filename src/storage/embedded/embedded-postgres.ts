import { chmod, mkdir, realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { RollcallError } from '../../core/errors.js';
import { prepareCluster, SUPERUSER } from './embedded-postgres-cluster.js';
import { lockFolder } from './embedded-postgres-lock.js';
import { stopOrphan } from './embedded-postgres-process.js';
import { supervise } from './embedded-postgres-supervisor.js';

export interface EmbeddedPostgresOptions {
  readonly dataDirectory: string;
  /** Gets each line of the server's log and what we do with the server. */
  readonly log: (line: string) => void;
  /** Postgres settings beside or instead of ours. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A PostgreSQL of our own, on 127.0.0.1 with a password. Should it end by itself, it is started again at the same URL. */
export interface EmbeddedPostgres {
  readonly url: string;
  /** Stops the server cleanly and gives up the data folder; its data stays. */
  stop(): Promise<void>;
  /** Calls back, with a description, each time the server ended by itself. */
  onExit(listener: (description: string) => void): void;
}

/** For a machine of a few gigabytes that also runs the service. Nothing here trades durability for speed. */
const SETTINGS: Readonly<Record<string, string>> = {
  shared_buffers: '256MB',
  work_mem: '16MB',
  maintenance_work_mem: '128MB',
  max_connections: '100',
  fsync: 'on',
  full_page_writes: 'on',
  min_wal_size: '256MB',
  max_wal_size: '4GB',
  checkpoint_timeout: '15min',
  checkpoint_completion_target: '0.9',
  autovacuum: 'on',
  effective_io_concurrency: '32',
  random_page_cost: '1.1',
  jit: 'off',
  log_checkpoints: 'off',
  log_line_prefix: '',
  password_encryption: 'scram-sha-256',
};

/**
 * Starts a real PostgreSQL on a data folder, which is created on first use and held until `stop`. Throws a
 * `RollcallError` that says what to do where another process holds the folder or the server cannot run here.
 */
export async function startEmbeddedPostgres({
  dataDirectory,
  log,
  settings = {},
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const folder = await openDataFolder(resolve(dataDirectory));
  const lock = await lockFolder(folder).catch((error: unknown) => {
    throw unusableFolder(folder, error);
  });
  try {
    const all = { ...SETTINGS, ...settings };
    const cluster = await prepareCluster(folder, all['fsync'] !== 'off', log);
    await stopOrphan(cluster.folder, log);
    const supervised = await supervise(cluster, all, log);
    return {
      url: `postgres://${SUPERUSER}:${cluster.password}@127.0.0.1:${supervised.port}/postgres`,
      async stop() {
        await supervised.stop();
        await lock.release();
      },
      onExit: (listener) => supervised.onExit(listener),
    };
  } catch (error) {
    await lock.release();
    throw unusableFolder(folder, error);
  }
}

/** Root's own folder is opened so far that the server's account can pass through it. */
async function openDataFolder(folder: string): Promise<string> {
  try {
    const created = await mkdir(folder, { recursive: true });
    if (created !== undefined && process.getuid?.() === 0) await chmod(folder, 0o711);
    return await realpath(folder);
  } catch (error) {
    throw unusableFolder(folder, error);
  }
}

function unusableFolder(folder: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new RollcallError(
      'DATABASE_UNAVAILABLE',
      `The data folder ${folder} cannot be used by this account (${code}); choose another one`,
      { cause: error },
    );
  }
  if (code === 'ENOSPC')
    return new RollcallError('STORAGE_FULL', `There is no room left for the data folder ${folder}`, { cause: error });
  return error;
}
