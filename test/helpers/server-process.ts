import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

/** A process of its own that runs an embedded server until it gets SIGTERM. */
export interface ServerOwner {
  readonly process: ChildProcess;
  /** 'ready <url>', or 'refused <message>'. */
  readonly outcome: Promise<string>;
}

/** Compiles the embedded server, so that other processes can run it as it is now; the folder, to be removed. */
export async function compileEmbeddedPostgres(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-compiled-'));
  const sources = [
    join('core', 'errors.ts'),
    ...(await readdir('src/storage/embedded')).map((name) => join('storage', 'embedded', name)),
  ];
  await Promise.all(
    ['core', join('storage', 'embedded')].map((room) => mkdir(join(folder, room), { recursive: true })),
  );
  await Promise.all(
    sources.map(async (source) => {
      const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
      const { outputText } = ts.transpileModule(await readFile(join('src', source), 'utf8'), { compilerOptions });
      await writeFile(join(folder, source.replace(/\.ts$/, '.js')), outputText);
    }),
  );
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await symlink(resolve('node_modules'), join(folder, 'node_modules'), 'junction');
  return folder;
}

/** Starts such a process from a folder of `compileEmbeddedPostgres`. */
export function startServerOwner(compiled: string, dataDirectory: string): ServerOwner {
  const module = pathToFileURL(join(compiled, 'storage', 'embedded', 'embedded-postgres.js')).href;
  const program = `
    import { startEmbeddedPostgres } from ${JSON.stringify(module)};
    try {
      const server = await startEmbeddedPostgres({ dataDirectory: process.argv[1], log() {}, settings: { fsync: 'off' } });
      process.once('SIGTERM', () => server.stop());
      console.log('ready ' + server.url);
    } catch (error) {
      console.log('refused ' + error.message);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, dataDirectory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const outcome = new Promise<string>((resolveOutcome, reject) => {
    createInterface({ input: child.stdout }).once('line', resolveOutcome);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`The process ended with ${code ?? 'a signal'} and said nothing`)));
  });
  return { process: child, outcome };
}

/** Sends a signal and waits for the end. */
export async function endServerOwner(owner: ServerOwner, signal: NodeJS.Signals): Promise<void> {
  if (owner.process.exitCode !== null || owner.process.signalCode !== null) return;
  const ended = new Promise((resolveEnded) => owner.process.once('exit', resolveEnded));
  owner.process.kill(signal);
  await ended;
}
