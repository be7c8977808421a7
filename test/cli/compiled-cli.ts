import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import ts from 'typescript';
import { z } from 'zod';

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

/** Compiles all of `src` without looking at the types. */
export async function compileCli(): Promise<CompiledCli> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-cli-'));
  const entries = await readdir('src', { recursive: true, withFileTypes: true });
  const sources = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
  await Promise.all(
    sources.map((source) => compileFile(source, join(folder, 'dist', relative('src', source).replace(/\.ts$/, '.js')))),
  );
  await cp('src/storage/migrations', join(folder, 'dist/storage/migrations'), { recursive: true });
  await cp('package.json', join(folder, 'package.json'));
  await symlink(resolve('node_modules'), join(folder, 'node_modules'), 'junction');
  return cliAt(join(folder, 'dist/cli/main.js'), () => rm(folder, { recursive: true, force: true }));
}

async function compileFile(source: string, target: string): Promise<void> {
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true };
  const { outputText } = ts.transpileModule(await readFile(source, 'utf8'), { compilerOptions });
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, outputText);
}

function cliAt(main: string, remove: () => Promise<void>): CompiledCli {
  const start = (args: readonly string[], { env = {}, cwd }: RunOptions = {}): ChildProcessWithoutNullStreams => {
    const { DATABASE_URL: _url, ROLLCALL_SERVER: _server, NO_COLOR: _color, ...rest } = process.env;
    return spawn(process.execPath, [main, ...args], {
      env: { ...rest, ...env },
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
