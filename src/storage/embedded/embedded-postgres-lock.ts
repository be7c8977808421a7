import { randomUUID } from 'node:crypto';
import { link, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { RollcallError } from '../../core/errors.js';
import { isRunning, processStart } from './process-table.js';

const Owner = z.object({ pid: z.int(), startedAt: z.string() });
type Owner = z.infer<typeof Owner>;

const LOCK_FILE = /^lock\.(\d+)$/;
const RELEASED: Owner = { pid: 0, startedAt: '' };

export interface FolderLock {
  release(): Promise<void>;
}

/**
 * Takes a folder for this process alone, or throws naming the process that has it. A lock of a process that is gone is
 * taken over.
 *
 * The holder is the live owner of the highest `lock.<n>`. A file is complete when it appears (a hard link), is never
 * changed back from dead to live, and a higher one is made only by who saw the highest dead; so of several processes
 * that find the same dead owner one wins, whatever they do at the same time.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const owner: Owner = { pid: process.pid, startedAt: await processStart(process.pid) };
  for (;;) {
    const highest = Math.max(0, ...(await lockNumbers(folder)));
    const holder = highest === 0 ? RELEASED : await readOwner(lockPath(folder, highest));
    if (await isAlive(holder)) throw heldBy(folder, holder);
    if (await takeLock(folder, highest + 1, owner)) {
      return { release: () => replaceOwner(folder, highest + 1, RELEASED) };
    }
  }
}

async function takeLock(folder: string, number: number, owner: Owner): Promise<boolean> {
  if (!(await createComplete(lockPath(folder, number), owner))) return false;
  const others = (await lockNumbers(folder)).filter((other) => other !== number);
  const isHighest = others.every((other) => other < number);
  const useless = isHighest ? others : [number];
  await Promise.all(useless.map((other) => rm(lockPath(folder, other), { force: true })));
  return isHighest;
}

async function createComplete(path: string, owner: Owner): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify(owner), { mode: 0o644 });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function replaceOwner(folder: string, number: number, owner: Owner): Promise<void> {
  await writeFile(lockPath(folder, number), JSON.stringify(owner));
}

function lockPath(folder: string, number: number): string {
  return join(folder, `lock.${number}`);
}

async function lockNumbers(folder: string): Promise<number[]> {
  const matches = (await readdir(folder)).map((name) => LOCK_FILE.exec(name));
  return matches.flatMap((match) => (match?.[1] === undefined ? [] : [Number(match[1])]));
}

/** A lock that has just been removed, or cannot be read, holds nothing. */
async function readOwner(path: string): Promise<Owner> {
  try {
    return Owner.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return RELEASED;
  }
}

async function isAlive({ pid, startedAt }: Owner): Promise<boolean> {
  return pid > 0 && (await isRunning(pid)) && (await processStart(pid)) === startedAt;
}

function heldBy(folder: string, { pid }: Owner): RollcallError {
  return new RollcallError(
    'DATABASE_UNAVAILABLE',
    `The data folder ${folder} is in use by process ${pid}; stop that process or choose another folder`,
    {
      metadata: { pid: String(pid) },
    },
  );
}
