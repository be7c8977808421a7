import { expect, test } from 'vitest';
import type { CommandContext } from '../../src/cli/context.js';
import { Output } from '../../src/cli/output.js';
import { createProgram } from '../../src/cli/program.js';

const CONTEXT: CommandContext = {
  output: new Output(process.stdout),
  remarks: new Output(process.stderr),
  env: {},
  signal: new AbortController().signal,
};

async function namesFor(...args: string[]): Promise<string[]> {
  return (await createProgram(CONTEXT, args)).commands.map((command) => command.name());
}

test('arguments that begin with a command load that command alone, under its own name', async () => {
  const all = await namesFor();
  expect(all).toContain('serve');
  expect(all).toHaveLength(new Set(all).size);
  for (const name of all) expect(await namesFor(name, '--json')).toEqual([name]);
});

test('all other arguments load every command, so that help and suggestions know them', async () => {
  const all = await namesFor();
  for (const args of [['help', 'serve'], ['--version'], ['srve'], ['toString']])
    expect(await namesFor(...args)).toEqual(all);
});
