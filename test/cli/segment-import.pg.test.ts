import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';
import type { CommandResult, CompiledCli } from './compiled-cli.js';
import { compileCli, exitCodeOf, readAddresses } from './compiled-cli.js';

let cli: CompiledCli;
let database: TestDatabase;
let server: ChildProcessWithoutNullStreams;
let serverAddress: string;
let folder: string;

beforeAll(async () => {
  [cli, database, folder] = await Promise.all([
    compileCli(),
    createTestDatabase(),
    mkdtemp(join(tmpdir(), 'rollcall-segment-import-')),
  ]);
  server = cli.start(['serve', '--json', '--grpc-port', '0', '--http-port', '0', '--log-level', 'error'], {
    env: { DATABASE_URL: database.url },
  });
  serverAddress = (await readAddresses(server)).grpcAddress;
  await writeFile(join(folder, 'people.csv'), 'identifier,plan,age\nada,pro,41\nbob,free,17\n');
  expect(await rollcall('import', join(folder, 'people.csv'))).toMatchObject({ exitCode: 0 });
});

afterAll(async () => {
  const ended = exitCodeOf(server);
  server.kill('SIGTERM');
  await ended;
  await Promise.all([database.drop(), cli.remove(), rm(folder, { recursive: true })]);
});

const rollcall = (...args: string[]): Promise<CommandResult> => run(args);
const run = (args: readonly string[], stdin?: string): Promise<CommandResult> =>
  cli.run(args, { env: { ROLLCALL_SERVER: serverAddress }, ...(stdin === undefined ? {} : { stdin }) });

const rule = (operator: string) => [
  { type: 'ALL', rules: [], conditions: [{ property_: 'plan', operator, value: 'pro' }] },
];
const ENVIRONMENT = {
  project: {
    segments: [
      { id: 12, name: 'Payers', rules: rule('EQUAL') },
      { id: 13, name: 'Odd', rules: rule('RESEMBLES') },
    ],
  },
};

it('imports a compressed environment document, says why a segment is disabled, and changes nothing the second time', async () => {
  const path = join(folder, 'environment.json.gz');
  await writeFile(path, gzipSync(JSON.stringify(ENVIRONMENT)));
  const dry = await rollcall('segment', 'import', path, '--dry-run');
  expect(dry).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('nothing was written') as string });
  expect((await rollcall('segment', 'list', '--json')).stdout).toBe('');

  const { exitCode, stdout } = await rollcall('segment', 'import', path, '--format', 'flagsmith');
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/12 +Payers +created +yes\n13 +Odd +created +no\n/);
  expect(stdout).toContain("! 13 is disabled. UNKNOWN_OPERATOR: the operator 'RESEMBLES' is not known");
  expect(stdout).toContain('2 created, 0 updated, 0 unchanged, 1 disabled with a reason');
  expect((await rollcall('count', '12', '--json')).stdout).toContain('"count":1');
  expect((await rollcall('segment', 'list')).stdout).toMatch(/disabled because[\s\S]*UNKNOWN_OPERATOR/);

  const again = await rollcall('segment', 'import', path, '--json');
  expect(JSON.parse(again.stdout)).toEqual({
    dryRun: false,
    segments: [
      { key: '12', name: 'Payers', outcome: 'unchanged', enabled: true },
      {
        key: '13',
        name: 'Odd',
        outcome: 'unchanged',
        enabled: false,
        disabledReason: expect.stringContaining('RESEMBLES') as string,
      },
    ],
  });
});

it('imports a bare list from standard input under a key; what get writes of it, put reads', async () => {
  const conditions = [
    { attribute: 'age', operator: 'gte', value: 18 },
    { attribute: 'plan', operator: 'in', value: ['pro', 'scale'] },
  ];
  const args = ['segment', 'import', '-', '--format', 'litestar'];
  expect(await run(args, JSON.stringify(conditions))).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('give the key') as string,
  });
  expect(await run([...args, '--key', 'adults'], JSON.stringify(conditions))).toMatchObject({ exitCode: 0 });
  expect(await run([...args, '--key', 'adults', '--create-only'], JSON.stringify([]))).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('SEGMENT_EXISTS') as string,
  });

  const got = await rollcall('segment', 'get', 'adults');
  expect(JSON.parse(got.stdout)).toMatchObject({
    dialect: 'litestar',
    rules: [
      {
        type: 'ALL',
        conditions: [
          { property: 'age', operator: 'gte', value: 18 },
          { property: 'plan', operator: 'in', value: ['pro', 'scale'] },
        ],
      },
    ],
  });
  expect(await run(['segment', 'put', 'adults', '--file', '-'], got.stdout)).toMatchObject({ exitCode: 0 });
  const { etag: _etag, updatedAt: _updatedAt, ...same } = JSON.parse(got.stdout) as Record<string, unknown>;
  expect(JSON.parse((await rollcall('segment', 'get', 'adults')).stdout)).toMatchObject(same);
  expect((await rollcall('count', 'adults', '--json')).stdout).toContain('"count":1');
});

it('refuses a document that cannot be read, with the place', async () => {
  expect(await run(['segment', 'import', '-'], '[{"name": "a", "conditions": 5}]')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringMatching(
      /\/0\/conditions must be a list[\s\S]*INVALID_DOCUMENT|INVALID_DOCUMENT[\s\S]*\/0\/conditions/,
    ) as string,
  });
  expect(await rollcall('segment', 'import', join(folder, 'nowhere.json'))).toMatchObject({ exitCode: 1 });
  expect(await rollcall('segment', 'import', '--help')).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('--dry-run') as string,
  });
});
