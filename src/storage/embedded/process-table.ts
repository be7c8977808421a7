import { execFile } from 'node:child_process';
import { readFile, readlink, realpath } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Whether a process of this id runs, be it ours or another account's. One that has ended but whose parent has not asked
 * for its exit code (in a container without an init, for ever) does not.
 */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  if (process.platform !== 'linux') return true;
  const [state] = await readStat(pid);
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** Tells two processes apart that had the same id one after the other; '' where the system does not say. */
export async function processStart(pid: number): Promise<string> {
  try {
    if (process.platform === 'win32') return '';
    if (process.platform !== 'linux') return (await run('ps', ['-o', 'lstart=', '-p', String(pid)])).stdout.trim();
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    return `${boot.trim()} ${(await readStat(pid))[19] ?? ''}`;
  } catch {
    return '';
  }
}

/** Whether a process works in a folder, as a database server does in its own. */
export async function isWorkingIn(pid: number, folder: string): Promise<boolean> {
  try {
    const path = await realpath(folder);
    if (process.platform === 'linux') return (await readlink(`/proc/${pid}/cwd`)) === path;
    const { stdout } = await run('ps', ['-o', 'command=', '-p', String(pid)]);
    return stdout.includes(path) || stdout.includes(folder);
  } catch {
    return false;
  }
}

/** The fields that follow the name, which may hold anything but is in parentheses: state first, start time the 20th. */
async function readStat(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat === '' ? [] : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
