import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { lockFolder } from '../../storage/embedded/embedded-postgres-lock.js';
import { stopOrphan } from '../../storage/embedded/embedded-postgres-process.js';
import { CommandError } from '../command-error.js';

/** What a demo leaves in its folder; lock files are left to the next owner. */
const LEFTOVERS: ReadonlySet<string> = new Set([
  'cluster',
  'cluster.new',
  'password',
  'password.new',
  'location',
  'server.json',
  'launch.ndjson',
  'launch.ndjson.part',
]);
const LOCK_FILE = /^lock\.[0-9]+$/;

/**
 * Empties the folder of an earlier demo, or makes it. Throws FILE where it holds anything that no demo has left there, and
 * DATABASE_UNAVAILABLE where another process uses it.
 */
export async function emptyDemoFolder(directory: string): Promise<void> {
  const folder = resolve(directory);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const stranger = (await readdir(folder)).find((name) => !LEFTOVERS.has(name) && !LOCK_FILE.test(name));
  if (stranger !== undefined) {
    throw new CommandError(
      'FILE',
      `${folder} holds ${stranger}, which no demo has put there: choose another --data-directory`,
    );
  }
  const lock = await lockFolder(folder);
  try {
    const home = await databaseHome(folder);
    await stopOrphan(join(home, 'cluster'), () => undefined);
    if (home !== folder) await rm(home, { recursive: true, force: true });
    for (const name of LEFTOVERS) await rm(join(folder, name), { recursive: true, force: true });
  } finally {
    await lock.release();
  }
}

/** The database of a folder that its account cannot reach is elsewhere, in a folder that names this one. */
async function databaseHome(folder: string): Promise<string> {
  const home = (await readText(join(folder, 'location'))).trim();
  return home !== '' && (await readText(join(home, 'belongs-to'))).trim() === folder ? home : folder;
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
