import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError } from '../command-error.js';
import { WATCHDOG } from './broker-watchdog.js';
import type { WatchdogOrder } from './broker-watchdog.js';

const CLEAN_STOP_TIMEOUT_MS = 30_000;

/** A Java virtual machine that cannot outlive us. */
export interface BrokerProcess {
  readonly pid: number;
  /** Settles with how it ended, once it is gone. */
  readonly ended: Promise<string>;
  /** Asks it to end, then makes it. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/**
 * Starts the command under a watchdog. Neither is in our process group, so that a terminal's Ctrl-C reaches only us. Throws
 * SERVER_UNREACHABLE where it cannot be started.
 */
export async function startBrokerProcess(order: WatchdogOrder): Promise<BrokerProcess> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const watchdog = spawn(process.execPath, ['--eval', WATCHDOG, JSON.stringify(order)], {
    detached: true,
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
    windowsHide: true,
  });
  watchdog.stdin.on('error', () => undefined);
  let pid: number | undefined;
  let said: string | undefined;
  const isGone = new Promise<string>((resolve) => {
    watchdog.once('error', (error) => resolve(error.message));
    watchdog.once('close', () => resolve(said ?? 'with its watchdog'));
  });
  await new Promise<void>((resolve) => {
    createInterface({ input: watchdog.stdout }).on('line', (line) => {
      const [event, ...rest] = line.split(' ');
      if (event === 'started') pid = Number(rest[0]);
      else said = rest.join(' ');
      resolve();
    });
    void isGone.then(() => resolve());
  });
  if (pid === undefined)
    throw new CommandError('SERVER_UNREACHABLE', `${order.command} did not start: ${await isGone}`);
  const java = pid;
  const ended = isGone.then((how) => {
    if (said === undefined) killLeftBehind(java);
    return how;
  });
  const send = (signal: NodeJS.Signals): boolean => watchdog.stdin.write(`${signal}\n`);
  return {
    pid: java,
    ended,
    async stop() {
      send('SIGTERM');
      if (await isWithin(ended, CLEAN_STOP_TIMEOUT_MS)) return;
      send('SIGKILL');
      await ended;
    },
    async kill() {
      send('SIGKILL');
      await ended;
    },
  };
}

async function isWithin(ended: Promise<string>, timeoutMs: number): Promise<boolean> {
  const timeout = new AbortController();
  const inTime = delay(timeoutMs, false, { signal: timeout.signal }).catch(() => false);
  const isEnded = await Promise.race([ended.then(() => true), inTime]);
  timeout.abort();
  return isEnded;
}

/** Whoever ended the watchdog has not ended what it watched. */
function killLeftBehind(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone, too.
  }
}
