import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { RollcallError } from '../../core/errors.js';
import { serverEnvironment } from './embedded-postgres-cluster.js';
import type { Cluster } from './embedded-postgres-cluster.js';
import { isRunning, isWorkingIn } from './process-table.js';

const run = promisify(execFile);

const POLL_MS = 20;
/** Recovery after a crash replays at most `max_wal_size` or so of log. */
const START_TIMEOUT_MS = 600_000;
const FAST_STOP_TIMEOUT_MS = 60_000;
const IMMEDIATE_STOP_TIMEOUT_MS = 10_000;
const KEPT_LINES = 5;

/** A running server. */
export interface ServerProcess {
  /** Settles with a description once the server is gone, for whatever reason. */
  readonly exited: Promise<string>;
  /** Rolls back what is running, writes a checkpoint and ends. */
  stop(): Promise<void>;
}

/**
 * Starts the server and waits until it accepts connections. It is not in our process group, so that a terminal's
 * Ctrl-C reaches only us and we can finish what needs the database.
 */
export async function startServer(
  cluster: Cluster,
  settings: ReadonlyMap<string, string>,
  log: (line: string) => void,
): Promise<ServerProcess> {
  const parameters = [...settings].flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(cluster.binaries.postgres, ['-D', cluster.folder, ...parameters], {
    ...cluster.account,
    cwd: cluster.folder,
    env: serverEnvironment(),
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    windowsHide: true,
  });
  const lines = keepLines(child, log);
  const exited = describeExit(child);
  const stopOnExit = (): void => {
    child.kill('SIGINT');
  };
  process.once('exit', stopOnExit);
  void exited.then(() => process.off('exit', stopOnExit));
  await untilReady(cluster.folder, child, exited, lines);
  return { exited, stop: () => stopServer(cluster, child, exited) };
}

/**
 * Ends a server that an earlier process of ours left behind when it was killed, and clears its traces. Only for the
 * holder of the data folder's lock.
 */
export async function stopOrphan(clusterFolder: string, log: (line: string) => void): Promise<void> {
  const pidFile = join(clusterFolder, 'postmaster.pid');
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n', 1)[0]);
  if (!Number.isInteger(pid) || pid <= 0) return;
  if ((await isRunning(pid)) && (await isWorkingIn(pid, clusterFolder))) {
    log(`Stopping the database server ${pid} that an earlier process left behind`);
    await stopProcess(pid, (timeoutMs) => untilGone(pid, timeoutMs));
  }
  await rm(pidFile, { force: true });
}

function keepLines(child: ChildProcess, log: (line: string) => void): string[] {
  const kept: string[] = [];
  if (child.stderr === null) return kept;
  createInterface({ input: child.stderr }).on('line', (line) => {
    kept.push(line);
    if (kept.length > KEPT_LINES) kept.shift();
    log(line);
  });
  return kept;
}

function describeExit(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal === null ? `exit code ${code ?? 0}` : `signal ${signal}`));
  });
}

async function untilReady(
  folder: string,
  child: ChildProcess,
  exited: Promise<string>,
  lines: readonly string[],
): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let exit: string | undefined;
  void exited.then((description) => (exit = description));
  while (!(await isReady(folder, child.pid))) {
    if (exit !== undefined) throw startError(`${exit}; ${lines.join('; ')}`);
    if (Date.now() > deadline) {
      child.kill('SIGQUIT');
      throw startError('it took too long');
    }
    await delay(POLL_MS);
  }
}

/** The server's own word: the eighth line of its pid file. */
async function isReady(folder: string, pid: number | undefined): Promise<boolean> {
  const lines = (await readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
}

function startError(why: string): RollcallError {
  return new RollcallError('DATABASE_UNAVAILABLE', `The embedded PostgreSQL did not start: ${why}`);
}

async function stopServer(cluster: Cluster, child: ChildProcess, exited: Promise<string>): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  if (process.platform === 'win32') {
    await run(cluster.binaries.pg_ctl, ['stop', '-D', cluster.folder, '-m', 'fast', '-w']);
    return;
  }
  await stopProcess(child.pid, async (timeoutMs) => {
    const timeout = new AbortController();
    const inTime = delay(timeoutMs, false, { signal: timeout.signal }).catch(() => false);
    const isGone = await Promise.race([exited.then(() => true), inTime]);
    timeout.abort();
    return isGone;
  });
}

/** Fast, then immediate (the next start recovers), then by force. */
async function stopProcess(pid: number, waitForEnd: (timeoutMs: number) => Promise<boolean>): Promise<void> {
  process.kill(pid, 'SIGINT');
  if (await waitForEnd(FAST_STOP_TIMEOUT_MS)) return;
  process.kill(pid, 'SIGQUIT');
  if (await waitForEnd(IMMEDIATE_STOP_TIMEOUT_MS)) return;
  process.kill(pid, 'SIGKILL');
  await waitForEnd(IMMEDIATE_STOP_TIMEOUT_MS);
}

async function untilGone(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (await isRunning(pid)) {
    if (Date.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}
