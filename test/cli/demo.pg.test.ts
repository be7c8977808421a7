import { mkdtemp, rm, chmod, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CompiledCli } from './compiled-cli.js';
import { compileCli } from './compiled-cli.js';

let cli: CompiledCli;
let folder: string;

beforeAll(async () => {
  [cli, folder] = await Promise.all([compileCli(), mkdtemp(join(tmpdir(), 'rollcall-demo-'))]);
  await chmod(folder, 0o711);
});

afterAll(async () => {
  await Promise.all([cli.remove(), rm(folder, { recursive: true, force: true })]);
});

it('shows every query on a small population, twice in the same folder', async () => {
  for (let run = 1; run <= 2; run += 1) {
    const { exitCode, stdout, stderr } = await cli.run(['demo', '--identities', '5000', '--data-directory', 'demo'], {
      cwd: folder,
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    for (const query of ['Count growth', 'Sample', 'ListMembers', 'CheckMembership', 'Explain', 'What next'])
      expect(stdout).toContain(query);
    expect((await readFile(join(folder, 'demo/launch.ndjson'), 'utf8')).length).toBeGreaterThan(1000);
  }
});

it('does not empty a folder of somebody else', async () => {
  const theirs = await mkdtemp(join(folder, 'theirs-'));
  await writeFile(join(theirs, 'thesis.txt'), 'years of work');
  const { exitCode, stderr } = await cli.run(['demo', '--data-directory', theirs]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain('thesis.txt');
  expect(await readFile(join(theirs, 'thesis.txt'), 'utf8')).toBe('years of work');
});
