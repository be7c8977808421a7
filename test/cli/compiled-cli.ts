import { execFile, spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { z } from 'zod';

const run = promisify(execFile);

/** The command line as its sources are now, for other processes to run. */
export interface CompiledCli {
  /** Runs a command to its end. The environment is this process's without what would choose a server. */
  run(args: readonly string[], options?: RunOptions): Promise<CommandResult>;
  /** Starts a command and leaves it running. */
  start(args: readonly string[], options?: RunOptions): ChildProcessWithoutNullStreams;
  remove(): Promise<void>;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly cwd?: string;
}

export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The first line that a command writes: what `serve --json` says of itself. */
export async function readAddresses(
  child: ChildProcessWithoutNullStreams,
): Promise<{ grpcAddress: string; httpAddress: string }> {
  const lines = createInterface({ input: child.stdout });
  const line = await new Promise<string>((resolveLine) => lines.once('line', resolveLine));
  return z.object({ grpcAddress: z.string(), httpAddress: z.string() }).parse(JSON.parse(line));
}

/** How a command ends; asked before it can. */
export function exitCodeOf(child: ChildProcessWithoutNullStreams): Promise<number | null> {
  return new Promise((resolveEnded) => child.once('close', resolveEnded));
}

/** Bundles `src` as it is installed. */
export async function compileCli(): Promise<CompiledCli> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-cli-'));
  const bundle = join(folder, 'dist/bundle');
  await run(process.execPath, ['scripts/bundle.js', bundle]);
  await cp('package.json', join(folder, 'package.json'));
  await symlink(resolve('node_modules'), join(folder, 'node_modules'), 'junction');
  return cliAt(join(bundle, 'main.js'), () => rm(folder, { recursive: true, force: true }));
}

function cliAt(main: string, remove: () => Promise<void>): CompiledCli {
  const start = (args: readonly string[], { env = {}, cwd }: RunOptions = {}): ChildProcessWithoutNullStreams => {
    const { DATABASE_URL: _url, ROLLCALL_SERVER: _server, NO_COLOR: _color, ...rest } = process.env;
    return spawn(process.execPath, [main, ...args], {
      env: { SEGMENT_MEMBERSHIP_ENABLED: 'true', ...rest, ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
  };
  return {
    start,
    remove,
    run: async (args, options = {}) => {
      const child = start(args, options);
      child.stdin.on('error', () => undefined).end(options.stdin ?? '');
      const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), exitCodeOf(child)]);
      return { exitCode, stdout, stderr };
    },
  };
}
