import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';

/** A change of the compiled service that is to make it wrong. */
export interface Mutation {
  /** Of the source, from the repository's root. */
  readonly file: string;
  /** Occurs once in the compiled file. */
  readonly text: string;
  readonly replacement: string;
}

/** The command line as its sources are now, in a folder of its own. */
export interface CompiledService {
  readonly main: string;
  /** A copy that is wrong. Throws where a mutation does not fit. */
  mutate(mutations: readonly Mutation[]): Promise<CompiledService>;
  remove(): Promise<void>;
}

/** Compiles all of `src` without looking at the types. */
export async function compileService(): Promise<CompiledService> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-chaos-service-'));
  const entries = await readdir('src', { recursive: true, withFileTypes: true });
  const sources = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
  await Promise.all(
    sources.map(async (source) => {
      const target = compiledFile(folder, source);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, await compile(source));
    }),
  );
  await cp('src/storage/migrations', join(folder, 'dist/storage/migrations'), { recursive: true });
  await cp('package.json', join(folder, 'package.json'));
  await symlink(resolve('node_modules'), join(folder, 'node_modules'), 'junction');
  return serviceIn(folder);
}

function serviceIn(folder: string): CompiledService {
  return {
    main: join(folder, 'dist/cli/main.js'),
    async mutate(mutations) {
      const copy = await mkdtemp(join(tmpdir(), 'rollcall-chaos-mutant-'));
      await cp(folder, copy, { recursive: true, verbatimSymlinks: true });
      for (const mutation of mutations) await apply(copy, mutation);
      return serviceIn(copy);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

function compiledFile(folder: string, source: string): string {
  return join(folder, 'dist', relative('src', source).replace(/\.ts$/, '.js'));
}

async function compile(source: string): Promise<string> {
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true };
  return ts.transpileModule(await readFile(source, 'utf8'), { compilerOptions }).outputText;
}

async function apply(folder: string, { file, text, replacement }: Mutation): Promise<void> {
  const target = compiledFile(folder, file);
  const parts = (await readFile(target, 'utf8')).split(text);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times, not once: ${text}`);
  await writeFile(target, parts.join(replacement));
}
