import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { Sql } from '../../src/storage/database.js';

/** What figures were measured on. */
export const MACHINE = z.object({
  cores: z.number(),
  processor: z.string(),
  memoryGiB: z.number(),
  node: z.string(),
  postgres: z.string(),
  /** Versions by package: of the peers, and of what the service is made with. */
  packages: z.record(z.string(), z.string()),
});
export type Machine = z.infer<typeof MACHINE>;

const PACKAGES = ['@grpc/grpc-js', 'postgres', 'roaring', '@duckdb/node-api', 'flagsmith-nodejs'];
const PINNED = z.object({
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
});
const run = promisify(execFile);

export async function describeMachine(sql: Sql): Promise<Machine> {
  const [row] = await sql<{ version: string }[]>`select current_setting('server_version') as version`;
  const processors = cpus();
  return {
    cores: processors.length,
    processor: processors[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    postgres: row?.version ?? 'unknown',
    packages: await pinnedPackages(),
  };
}

async function pinnedPackages(): Promise<Record<string, string>> {
  const text = await readFile('package.json', 'utf8').catch(() => '{"dependencies":{},"devDependencies":{}}');
  const { dependencies, devDependencies } = PINNED.parse(JSON.parse(text));
  const versions = { ...dependencies, ...devDependencies };
  return Object.fromEntries(PACKAGES.flatMap((name) => (name in versions ? [[name, versions[name] ?? '']] : [])));
}

/** The commit at hand, with a '+' where files were changed since; 'unknown' outside a repository. */
export async function describeCommit(): Promise<string> {
  try {
    const { stdout: commit } = await run('git', ['rev-parse', '--short=10', 'HEAD']);
    const { stdout: changes } = await run('git', ['status', '--porcelain', '--', 'src', 'bench', 'package-lock.json']);
    return commit.trim() + (changes.trim() === '' ? '' : '+');
  } catch {
    return 'unknown';
  }
}

export function machineLine({ cores, processor, memoryGiB, node, postgres }: Machine): string {
  return `${cores} cores (${processor}), ${memoryGiB} GiB; Node ${node}, PostgreSQL ${postgres}`;
}
