import { execFile, spawnSync } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { RollcallError } from '../../core/errors.js';

const run = promisify(execFile);

/** The account that the server runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const EXISTING = ['postgres', 'rollcall'];
const CREATED = 'rollcall';

/**
 * The account for the server, undefined where it is our own. Postgres refuses to run as root, so root needs another:
 * the owner of the data that is there already, else `postgres`, else `rollcall`, which is created where missing.
 */
export async function findAccount(clusterFolder: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(clusterFolder).catch(() => undefined);
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  for (const name of EXISTING) {
    const account = await lookUp(name);
    if (account !== undefined) return account;
  }
  return createAccount();
}

/** Whether the account, where it is not our own, can reach a folder. */
export function canReach(account: Account | undefined, folder: string): boolean {
  if (account === undefined) return true;
  return spawnSync('/bin/sh', ['-c', 'cd "$0"', folder], { ...account, cwd: '/', stdio: 'ignore' }).status === 0;
}

async function lookUp(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, name])).stdout)),
    );
    return uid === undefined || gid === undefined || uid === 0 ? undefined : { uid, gid };
  } catch {
    return undefined;
  }
}

async function createAccount(): Promise<Account> {
  const attempts: [string, string[]][] = [
    [
      'useradd',
      ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/bin/false', CREATED],
    ],
    ['adduser', ['-S', '-D', '-H', '-s', '/bin/false', CREATED]],
  ];
  for (const [command, parameters] of attempts) {
    await run(command, parameters).catch(() => undefined);
    const account = await lookUp(CREATED);
    if (account !== undefined) return account;
  }
  throw new RollcallError(
    'DATABASE_UNAVAILABLE',
    'PostgreSQL does not run as root, and no account for it could be created. Create one (`useradd --system rollcall`), run Rollcall as an ordinary user, or set DATABASE_URL',
  );
}
