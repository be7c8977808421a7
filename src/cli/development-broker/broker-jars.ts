import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { fileError } from '../command-error.js';
import { copyJars } from './maven.js';
import type { MavenCoordinate } from './maven.js';

export const KAFKA_VERSION = '4.1.2';

/** The broker, and a logger that writes to standard error. */
const COORDINATES: readonly MavenCoordinate[] = [
  `org.apache.kafka:kafka_2.13:${KAFKA_VERSION}`,
  'org.slf4j:slf4j-simple:1.7.36',
];

const MANIFEST = 'jars.json';
/** The SHA-256 of each jar, by its name. */
const Manifest = z.record(z.string(), z.string());

const UNFINISHED = 'unfinished-';
/** No download takes so long: what is older was left behind. */
const ABANDONED_AFTER_MS = 3_600_000;

export interface JarOptions {
  readonly environment: NodeJS.ProcessEnv;
  readonly cacheDirectory: string;
  readonly log: (line: string) => void;
}

/**
 * The folder with the broker's jars: from the cache, where they are whole, else downloaded into it. Each complete download is
 * a folder of its own that never changes, so that any number of processes may use and fill one cache at the same time.
 * Throws SERVER_UNREACHABLE where they cannot be got, FILE where the cache cannot be written.
 */
export async function resolveBrokerJars({ environment, cacheDirectory, log }: JarOptions): Promise<string> {
  const cache = join(cacheDirectory, `kafka-${KAFKA_VERSION}`);
  const kept = await findWholeJars(cache, log);
  if (kept !== undefined) return kept;
  await mkdir(cache, { recursive: true }).catch((error: unknown) => {
    throw fileError(cache, error);
  });
  const draft = join(cache, `${UNFINISHED}${randomUUID()}`);
  try {
    log(`Getting the jars of Apache Kafka ${KAFKA_VERSION} (about 45 MB, once) by Maven into ${cache}`);
    await copyJars(COORDINATES, draft, environment);
    await writeFile(join(draft, MANIFEST), JSON.stringify(await hashJars(join(draft, 'jars'))));
    const meanwhile = await findWholeJars(cache, log);
    if (meanwhile !== undefined) return meanwhile;
    const complete = join(cache, randomUUID());
    await rename(draft, complete);
    return join(complete, 'jars');
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Where what can be got again is kept for this user. */
export function userCacheDirectory(environment: NodeJS.ProcessEnv): string {
  const named = environment['XDG_CACHE_HOME'] ?? '';
  if (named !== '') return join(named, 'rollcall');
  switch (process.platform) {
    case 'darwin':
      return join(homedir(), 'Library', 'Caches', 'rollcall');
    case 'win32':
      return join(environment['LOCALAPPDATA'] ?? homedir(), 'rollcall', 'cache');
    default:
      return join(homedir(), '.cache', 'rollcall');
  }
}

async function findWholeJars(cache: string, log: (line: string) => void): Promise<string | undefined> {
  const names = await readdir(cache).catch(() => []);
  for (const name of names.sort()) {
    const folder = join(cache, name);
    if (name.startsWith(UNFINISHED)) {
      await removeAbandoned(folder);
    } else if (await isWhole(folder)) {
      return join(folder, 'jars');
    } else {
      log(`The jars in ${folder} are damaged; they are removed`);
      await rm(folder, { recursive: true, force: true });
    }
  }
  return undefined;
}

async function isWhole(folder: string): Promise<boolean> {
  try {
    const manifest = Manifest.parse(JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')));
    const found = await hashJars(join(folder, 'jars'));
    const names = Object.keys(manifest);
    return names.length === Object.keys(found).length && names.every((name) => manifest[name] === found[name]);
  } catch {
    return false;
  }
}

async function hashJars(folder: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const name of await readdir(folder)) {
    hashes[name] = createHash('sha256')
      .update(await readFile(join(folder, name)))
      .digest('hex');
  }
  return hashes;
}

async function removeAbandoned(folder: string): Promise<void> {
  const changedAt = await stat(folder).then(
    ({ mtimeMs }) => mtimeMs,
    () => Date.now(),
  );
  if (Date.now() - changedAt > ABANDONED_AFTER_MS) await rm(folder, { recursive: true, force: true });
}
