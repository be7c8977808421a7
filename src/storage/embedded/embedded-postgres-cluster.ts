import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { RollcallError } from '../../core/errors.js';
import { canReach, findAccount } from './embedded-postgres-account.js';
import type { Account } from './embedded-postgres-account.js';
import { findBinaries, SYSTEM_FOLDER } from './embedded-postgres-binaries.js';
import type { Binaries } from './embedded-postgres-binaries.js';

const run = promisify(execFile);

export const SUPERUSER = 'rollcall';

/** Where a server's data is, and what it takes to run it. */
export interface Cluster {
  readonly folder: string;
  readonly password: string;
  readonly account: Account | undefined;
  readonly binaries: Binaries;
}

/**
 * Finds or creates the cluster of a data folder that this process has locked. It is `cluster` within it, with `password`
 * beside. Where root's data folder is closed to the server's account (as below /root), both are in a folder of
 * /var/lib/rollcall instead, which the file `location` names.
 */
export async function prepareCluster(
  dataFolder: string,
  isSyncing: boolean,
  log: (line: string) => void,
): Promise<Cluster> {
  const noted = await readFile(join(dataFolder, 'location'), 'utf8').catch(() => '');
  const expected = noted.trim() === '' ? dataFolder : noted.trim();
  const account = await findAccount(join(expected, 'cluster'));
  const home = await reachableHome(dataFolder, expected, account, log);
  const folder = join(home, 'cluster');
  const binaries = await findBinaries(account);
  if (!(await exists(folder))) {
    log(`Creating a database cluster in ${folder}`);
    await createCluster(home, account, binaries, isSyncing);
  }
  await expectOwner(folder, account);
  return { folder, password: (await readFile(join(home, 'password'), 'utf8')).trim(), account, binaries };
}

async function reachableHome(
  dataFolder: string,
  expected: string,
  account: Account | undefined,
  log: (line: string) => void,
): Promise<string> {
  if (canReach(account, expected)) return expected;
  if (await exists(join(expected, 'cluster'))) {
    throw new RollcallError(
      'DATABASE_UNAVAILABLE',
      `The account of the database server (uid ${account?.uid ?? 0}) can no longer reach ${expected}; open its parent folders (chmod o+x)`,
    );
  }
  const home = join(SYSTEM_FOLDER, `data-${randomUUID()}`);
  await mkdir(home, { recursive: true, mode: 0o755 });
  await writeFile(join(home, 'belongs-to'), `${dataFolder}\n`);
  await writeFile(join(dataFolder, 'location'), `${home}\n`);
  log(`The account of the database server cannot reach ${dataFolder}, so its data is in ${home}`);
  return home;
}

/** All or nothing: an interrupted creation leaves only drafts behind. */
async function createCluster(
  home: string,
  account: Account | undefined,
  binaries: Binaries,
  isSyncing: boolean,
): Promise<void> {
  const [draft, passwordDraft] = [join(home, 'cluster.new'), join(home, 'password.new')];
  await rm(draft, { recursive: true, force: true });
  await rm(passwordDraft, { force: true });
  const password = randomBytes(24).toString('base64url');
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordDraft, `${password}\n`, { mode: 0o600 });
  if (account !== undefined)
    await Promise.all([draft, passwordDraft].map((path) => chown(path, account.uid, account.gid)));
  const parameters = [
    ...[
      '--pgdata',
      draft,
      '--username',
      SUPERUSER,
      '--pwfile',
      passwordDraft,
      '--auth',
      'scram-sha-256',
      '--encoding',
      'UTF8',
    ],
    ...[
      '--locale',
      'C',
      '--locale-provider',
      'builtin',
      '--builtin-locale',
      'C.UTF-8',
      '--data-checksums',
      '--no-instructions',
    ],
    ...(isSyncing ? [] : ['--no-sync']),
  ];
  await run(binaries.initdb, parameters, { ...account, cwd: home, env: serverEnvironment() }).catch(
    (error: unknown) => {
      throw new RollcallError(
        'DATABASE_UNAVAILABLE',
        `The database cluster could not be created in ${home}: ${lastLine(error)}`,
        { cause: error },
      );
    },
  );
  await writeFile(join(home, 'password'), `${password}\n`, { mode: 0o600, flush: true });
  await rm(passwordDraft);
  await rename(draft, join(home, 'cluster'));
}

/** What the server's programs get of our environment: nothing that would change where they connect or what they print. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const { PATH, SystemRoot } = process.env;
  return {
    ...(PATH === undefined ? {} : { PATH }),
    ...(SystemRoot === undefined ? {} : { SystemRoot }),
    LC_ALL: 'C',
    TZ: 'UTC',
  };
}

async function expectOwner(folder: string, account: Account | undefined): Promise<void> {
  const { uid } = await stat(folder);
  const expected = account?.uid ?? process.getuid?.() ?? uid;
  if (uid === expected) return;
  throw new RollcallError(
    'DATABASE_UNAVAILABLE',
    `The database in ${folder} belongs to another account (uid ${uid}); run Rollcall as that account or as root, or choose another data folder`,
  );
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function lastLine(error: unknown): string {
  const text =
    error instanceof Error && 'stderr' in error && typeof error.stderr === 'string' ? error.stderr : String(error);
  return text.trim().split('\n').at(-1) ?? '';
}
