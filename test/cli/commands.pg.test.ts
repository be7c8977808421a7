import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createTestDatabase } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';
import type { CommandResult, CompiledCli } from './compiled-cli.js';
import { compileCli, exitCodeOf, readAddresses } from './compiled-cli.js';
import { startCuttingProxy } from './cutting-proxy.js';

const PEOPLE = 30_000;
const PLANS = ['free', 'pro', 'scale'];

let cli: CompiledCli;
let database: TestDatabase;
let server: ChildProcessWithoutNullStreams;
let serverAddress: string;
let folder: string;

beforeAll(async () => {
  [cli, database, folder] = await Promise.all([
    compileCli(),
    createTestDatabase(),
    mkdtemp(join(tmpdir(), 'rollcall-commands-')),
  ]);
  server = cli.start(['serve', '--json', '--grpc-port', '0', '--http-port', '0', '--log-level', 'error'], {
    env: { DATABASE_URL: database.url },
  });
  serverAddress = (await readAddresses(server)).grpcAddress;
  await writeFile(join(folder, 'people.csv'), csvOfPeople());
  expect(await rollcall('import', join(folder, 'people.csv'))).toMatchObject({ exitCode: 0 });
  expect(await rollcall('segment', 'put', 'payers', '--where', 'plan IN pro,scale')).toMatchObject({ exitCode: 0 });
});

afterAll(async () => {
  const ended = exitCodeOf(server);
  server.kill('SIGTERM');
  await ended;
  await Promise.all([database.drop(), cli.remove(), rm(folder, { recursive: true })]);
});

describe('organisations', () => {
  it('are listed, shown with what keeps their index off, and changed', async () => {
    await json('environment', 'create', 'owned', '--organisation', 'acme');
    expect(await json('organisation', 'show', 'acme')).toEqual({
      ...{ key: 'acme', name: '', attributes: {}, gate: '', whenOff: 'configured' },
    });
    const changes = ['--name', 'Acme Ltd', '--attributes', '{"plan": "pro"}', '--when-off', 'purge'];
    expect(await json('organisation', 'update', 'acme', ...changes)).toMatchObject({
      ...{ name: 'Acme Ltd', attributes: { plan: 'pro' }, whenOff: 'purge' },
    });
    expect((await rollcall('organisation', 'list')).stdout).toMatch(/acme +Acme Ltd +on +purge +{"plan":"pro"}/);
    expect(await rollcall('organisation', 'show', 'nobody')).toMatchObject({
      stderr: expect.stringContaining('ORGANISATION_NOT_FOUND') as string,
    });
    expect(await rollcall('organisation', 'update', 'acme', '--attributes', '[]')).toMatchObject({ exitCode: 2 });
    await json('environment', 'delete', 'owned');
  });
});

describe('environments', () => {
  it('are created, listed with how they number identities, changed and deleted', async () => {
    const created = await json('environment', 'create', 'live', '--ordinals', 'given', '--project', 'shop');
    expect(created).toMatchObject({ key: 'live', name: 'live', project: 'shop', ordinals: 'given' });
    expect(await json('environment', 'list', '--project', 'shop')).toMatchObject({
      key: 'live',
      organisation: 'default',
      identityKey: 'composite',
    });
    expect(await rollcall('environment', 'create', 'live')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('ENVIRONMENT_EXISTS') as string,
    });
    expect((await rollcall('environment', 'list')).stdout).toMatch(/default +default/);
    const updated = await json('environment', 'update', 'live', '--name', 'Live', '--identity-key', 'id');
    expect(updated).toMatchObject({ key: 'live', name: 'Live', identityKey: 'id' });
    expect(await json('environment', 'delete', 'live')).toEqual({ deleted: 'live' });
    expect((await rollcall('environment', 'list', '--project', 'shop', '--json')).stdout).toBe('');
  });
});

function csvOfPeople(): string {
  const rows = Array.from(
    { length: PEOPLE },
    (_, index) => `person-${index},${PLANS[index % 3] ?? ''},${index % 80},${index % 2 === 0 ? index / 8 : ''}`,
  );
  return ['identifier,plan,age,score', ...rows, ''].join('\n');
}

function rollcall(...args: string[]): Promise<CommandResult> {
  return cli.run(args, { env: { ROLLCALL_SERVER: serverAddress } });
}

async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await rollcall(...args, '--json');
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return z.record(z.string(), z.unknown()).parse(JSON.parse(stdout));
}

async function errorOf(...args: string[]): Promise<{ exitCode: number | null; reason: unknown }> {
  const { exitCode, stderr, stdout } = await rollcall(...args, '--json');
  expect(stdout).toBe('');
  return {
    exitCode,
    reason: z.object({ error: z.object({ reason: z.string() }) }).parse(JSON.parse(stderr)).error.reason,
  };
}

function expectedDraftCount(): number {
  return Array.from({ length: PEOPLE }, (_, index) => index).filter((index) => index % 3 === 1 && index % 80 < 10)
    .length;
}

describe('import', () => {
  it('says what it inferred and how many it applied', async () => {
    const imported = await json('import', join(folder, 'people.csv'));
    expect(imported).toMatchObject({ rows: PEOPLE, applied: PEOPLE, unchanged: PEOPLE, createdEnvironment: false });
    expect(imported['columns']).toMatchObject([
      { name: 'plan', type: 'string', emptyCells: 0 },
      { name: 'age', type: 'int' },
      { name: 'score', type: 'float', emptyCells: PEOPLE / 2 },
    ]);
  });

  it('of a file with one bad row applies nothing', async () => {
    const path = join(folder, 'bad.csv');
    await writeFile(path, 'identifier,a\nnew-1,1\nnew-2\n');
    expect(await errorOf('import', path, '--environment', 'bad-rows')).toEqual({ exitCode: 2, reason: 'BAD_INPUT' });
    expect(await errorOf('count', '--where', 'a IS_SET', '--environment', 'bad-rows')).toEqual({
      exitCode: 3,
      reason: 'ENVIRONMENT_NOT_FOUND',
    });
    const skipped = await json('import', path, '--environment', 'bad-rows', '--on-bad-row', 'skip');
    expect(skipped).toMatchObject({ rows: 1, badRows: 1, applied: 1, createdEnvironment: true });
  });

  it('takes gzip, leaves out bad rows at once, and removes who is not in a complete file', async () => {
    const path = join(folder, 'everyone.ndjson.gz');
    const imported = (content: string, ...options: string[]) =>
      writeFile(path, gzipSync(content)).then(() => json('import', path, '--environment', 'everyone', ...options));
    await imported('{"identifier":"ada"}\n{"identifier":"ben"}\n');
    const skip = ['--complete', '--on-bad-row', 'skip'];
    expect(await imported('{"identifier":"ada"}\nbad\n{"identifier":"cyd"}\n', ...skip)).toMatchObject({
      rows: 2,
      badRows: 1,
      badRowExamples: ['line 2: the line is not JSON'],
      applied: 2,
      unchanged: 1,
    });
    expect(await imported('{"identifier":"ada"}\n', ...skip)).toMatchObject({ applied: 1, removed: 2 });
    expect(await errorOf('import', path, '--environment', 'everyone', '--resume')).toEqual({
      exitCode: 3,
      reason: 'BACKFILL_NOT_FOUND',
    });
  });

  it('reads NDJSON from standard input, and sets some traits of many', async () => {
    const env = { ROLLCALL_SERVER: serverAddress };
    const load = (stdin: string, mode: string) =>
      cli.run(['import', '-', '--format', 'ndjson', '--environment', 'piped', '--mode', mode, '--json'], {
        env,
        stdin,
      });
    expect((await load('{"identifier":"ada","a":1,"b":1.0}\n', 'upsert')).exitCode).toBe(0);
    expect((await load('{"identifier":"ada","a":null,"c":123456789012345678901}\n', 'set-traits')).exitCode).toBe(0);
    const { stdout } = await cli.run(['export', '-', '--where', 'b IS_SET', '--environment', 'piped', '--traits'], {
      env,
    });
    expect(stdout).toMatch(/^\{"id":\d+,"identifier":"ada","traits":\{"b":1\.0,"c":123456789012345678901\}\}\n$/);
  });
});

describe('count, sample, list and export', () => {
  it('count what the file holds', async () => {
    expect(await json('count', 'payers')).toMatchObject({ count: 20_000, pending: false });
    expect(await json('count', '--where', 'plan EQUAL pro', '--where', 'age LESS_THAN 10')).toMatchObject({
      count: expectedDraftCount(),
    });
  });

  it('draw the same members for the same seed', async () => {
    const [first, second] = await Promise.all([
      json('sample', 'payers', '--seed', '7'),
      json('sample', 'payers', '--seed', '7'),
    ]);
    expect(first['members']).toHaveLength(10);
    expect(second).toEqual({ ...first, asOf: second['asOf'] });
  });

  it('list page by page what export writes at once', async () => {
    const listed = await rollcall('list', 'payers', '--all', '--json', '--page-size', '1000');
    const path = join(folder, 'payers.ndjson');
    expect(await json('export', 'payers', path)).toMatchObject({ members: 20_000, isComplete: true, resumptions: 0 });
    expect(await readFile(path, 'utf8')).toBe(listed.stdout);
  });

  it('list one page with the token of the next', async () => {
    const first = await json('list', 'payers', '--page-size', '5', '--query', 'PERSON-1');
    expect(first['members']).toHaveLength(5);
    const second = await json(
      'list',
      'payers',
      '--page-size',
      '5',
      '--query',
      'PERSON-1',
      '--page-token',
      String(first['nextPageToken']),
    );
    expect(second['members']).not.toEqual(first['members']);
  });

  it('write CSV with a column for each trait asked for', async () => {
    const { stdout } = await rollcall(
      'export',
      'payers',
      '-',
      '--format',
      'csv',
      '--columns',
      'plan,score',
      '--limit',
      '3',
    );
    expect(stdout.split('\n').map((line) => line.replace(/^\d+,/, ''))).toEqual([
      'id,identifier,plan,score',
      'person-1,pro,',
      'person-2,scale,0.25',
      'person-4,pro,0.5',
      '',
    ]);
  });

  it('resume an export whose connection is cut again and again, and write each member once', async () => {
    const proxy = await startCuttingProxy(serverAddress, 90_000, 3);
    const path = join(folder, 'cut.ids');
    const result = await cli.run(['export', 'payers', path, '--format', 'ids', '--json', '--server', proxy.address]);
    proxy.close();
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(result.stdout)).toMatchObject({ members: 20_000, resumptions: proxy.cuts });
    expect(proxy.cuts).toBe(3);
    const identifiers = (await readFile(path, 'utf8')).trimEnd().split('\n');
    expect([identifiers.length, new Set(identifiers).size]).toEqual([20_000, 20_000]);
  });

  it('leave no file behind where an export fails', async () => {
    expect(await errorOf('export', 'nobody', join(folder, 'nobody.ids'))).toEqual({
      exitCode: 3,
      reason: 'SEGMENT_NOT_FOUND',
    });
    expect(await errorOf('export', 'payers', join(folder, 'no/such/folder'))).toEqual({ exitCode: 1, reason: 'FILE' });
    expect((await readdir(folder)).filter((name) => name.includes('nobody') || name.endsWith('.part'))).toEqual([]);
  });

  it('end quietly when their reader has seen enough', async () => {
    const child = cli.start(['export', 'payers', '-', '--server', serverAddress]);
    const said: string[] = [];
    child.stderr.on('data', (chunk) => said.push(String(chunk)));
    child.stdout.once('data', () => child.stdout.destroy());
    expect({ exitCode: await exitCodeOf(child), said: said.join('') }).toEqual({ exitCode: 0, said: '' });
  });
});

describe('segment', () => {
  it('creates, replaces, shows, lists and deletes', async () => {
    const created = await json('segment', 'put', 'young', '--where', 'age LESS_THAN 18');
    expect(await json('count', 'young')).toMatchObject({
      count: Array.from({ length: PEOPLE }, (_, index) => index % 80).filter((age) => age < 18).length,
    });
    const path = join(folder, 'young.json');
    await writeFile(path, (await rollcall('segment', 'get', 'young')).stdout.replace('"18"', '"10"'));
    const replaced = await json('segment', 'put', 'young', '--file', path, '--etag', String(created['etag']));
    expect(replaced['etag']).not.toBe(created['etag']);
    expect(await errorOf('segment', 'put', 'young', '--file', path, '--etag', String(created['etag']))).toEqual({
      exitCode: 4,
      reason: 'ETAG_MISMATCH',
    });
    expect(await json('count', 'young')).toMatchObject({ count: PEOPLE / 8, etag: replaced['etag'] });
    expect((await rollcall('segment', 'list')).stdout).toContain('young');
    await json('segment', 'delete', 'young');
    expect(await errorOf('count', 'young')).toEqual({ exitCode: 3, reason: 'SEGMENT_NOT_FOUND' });
  });

  it('takes a list of values for IN', async () => {
    const path = join(folder, 'vips.txt');
    await writeFile(path, 'person-1\r\nperson-2\n\nnobody\nperson-1');
    expect(await json('segment', 'put-list', 'vips', path)).toMatchObject({ name: 'vips', size: 3 });
    await json(
      'segment',
      'put',
      'vips',
      '--rules',
      '[{"type":"ALL","conditions":[{"property":"$.identity.identifier","operator":"IN","list":"vips"}]}]',
    );
    expect(await json('count', 'vips')).toMatchObject({ count: 2 });
  });

  it('is refused with the reason of the server', async () => {
    expect(await errorOf('segment', 'put', 'bad', '--where', 'age EQUALS 3')).toEqual({
      exitCode: 2,
      reason: 'UNKNOWN_OPERATOR',
    });
    expect(await errorOf('segment', 'put', 'bad', '--where', 'age MODULO 0|1')).toEqual({
      exitCode: 2,
      reason: 'INVALID_OPERAND',
    });
  });
});

describe('check and explain', () => {
  it('say in which segments somebody is', async () => {
    expect(await json('check', 'person-1', 'payers')).toMatchObject({ results: [{ segment: 'payers', member: true }] });
    expect(await json('check', 'person-0', 'payers')).toMatchObject({
      results: [{ segment: 'payers', member: false }],
    });
    expect(await errorOf('check', 'nobody')).toEqual({ exitCode: 3, reason: 'IDENTITY_NOT_FOUND' });
  });

  it('fail after the answers where one segment has none', async () => {
    const { exitCode, stdout, stderr } = await rollcall('check', 'person-1', 'payers', 'no-such', '--json');
    expect(exitCode).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({
      results: [{ member: true }, { error: { reason: 'SEGMENT_NOT_FOUND' } }],
    });
    expect(JSON.parse(stderr)).toMatchObject({ error: { metadata: { segment: 'no-such' } } });
  });

  it('show the tree of rules with truth and counts', async () => {
    const { stdout } = await rollcall('explain', 'payers', 'person-1');
    expect(stdout).toMatch(/✓ segment payers +20,000\n└─ ✓ ALL +20,000\n {3}└─ ✓ plan IN pro,scale +20,000\n/);
    expect(await json('explain', 'person-0', '--where', 'plan EQUAL pro')).toMatchObject({
      member: false,
      root: { truth: false, count: 10_000 },
    });
  });
});

describe('status and verify', () => {
  it('tell the state of the index', async () => {
    const status = await json('status', '--environment', 'default', '--atoms');
    expect(status).toMatchObject({ environments: [{ environment: 'default', state: 'READY', identities: PEOPLE }] });
    expect((await rollcall('status')).stdout).toContain('30,000');
  });

  it('find nothing wrong', async () => {
    expect(await json('verify')).toMatchObject({ differences: [] });
  });

  it('end with an error where a chunk is not what the identities make it', async () => {
    await json('import', join(folder, 'people.csv'), '--environment', 'broken');
    await json('count', '--where', 'plan EQUAL pro', '--environment', 'broken');
    await database.db
      .sql`delete from atom_chunk where environment_id = (select id from environment where key = 'broken')`;
    const { exitCode, stdout, stderr } = await rollcall('verify', '--environment', 'broken', '--json');
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).not.toMatchObject({ differences: [] });
    expect(JSON.parse(stderr)).toMatchObject({ error: { reason: 'DIFFERENCES_FOUND' } });
  });
});

describe('the way to a server', () => {
  it('is an error of its own where none answers', async () => {
    expect(await errorOf('count', 'payers', '--server', '127.0.0.1:1')).toEqual({
      exitCode: 5,
      reason: 'SERVER_UNREACHABLE',
    });
  });

  it('leads into the process itself where only a database is known', async () => {
    const { exitCode, stdout, stderr } = await cli.run(['count', 'payers', '--json'], {
      env: { DATABASE_URL: database.url },
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ count: 20_000 });
  });

  it('is not looked for where the command is wrong', async () => {
    expect(await errorOf('count', 'payers', '--where', 'age IS_SET')).toEqual({ exitCode: 2, reason: 'USAGE' });
    expect(await errorOf('count', '--no-such-option')).toEqual({ exitCode: 2, reason: 'USAGE' });
  });
});
