import { userInfo } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createTestDatabase } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';
import { startTestRollcall } from '../helpers/rollcall.js';
import type { TestRollcall } from '../helpers/rollcall.js';
import type { CommandResult, CompiledCli } from './compiled-cli.js';
import { compileCli } from './compiled-cli.js';

let cli: CompiledCli;
let database: TestDatabase;
let server: TestRollcall;

beforeAll(async () => {
  [cli, database] = await Promise.all([compileCli(), createTestDatabase()]);
  server = await startTestRollcall(database.url);
  await rollcall({}, 'segment', 'put', 'payers', '--where', 'plan EQUAL pro');
  await rollcall({}, 'segment', 'put', 'payers', '--where', 'plan EQUAL free', '--actor', 'Jürgen');
  await rollcall({ ROLLCALL_ACTOR: 'deploy bot' }, 'segment', 'delete', 'payers');
  await rollcall({}, 'environment', 'create', 'live', '--project', 'shop');
}, 120_000);

afterAll(async () => {
  await server.stop();
  await Promise.all([database.drop(), cli.remove()]);
});

async function rollcall(env: Record<string, string>, ...args: string[]): Promise<CommandResult> {
  const result = await cli.run([...args, '--server', server.grpcAddress], { env });
  expect(result, args.join(' ')).toMatchObject({ exitCode: 0 });
  return result;
}

const ENTRY = z.object({
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  key: z.string(),
  at: z.iso.datetime(),
  before: z.record(z.string(), z.unknown()).optional(),
  after: z.record(z.string(), z.unknown()).optional(),
});

async function entries(...args: string[]): Promise<z.infer<typeof ENTRY>[]> {
  const { stdout } = await rollcall({}, 'audit', '--json', ...args);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ENTRY.parse(JSON.parse(line)));
}

describe('rollcall audit', () => {
  it('shows who did what, the newest first, and what it changed', async () => {
    const { stdout } = await rollcall({}, 'audit', '--key', 'payers');
    const [titles, ...rows] = stdout.trimEnd().split('\n');
    expect(titles).toMatch(/^when +who +what +project +key +changes$/);
    expect(rows).toHaveLength(3);
    expect(rows[0]).toMatch(/Z +deploy bot +segment deleted +default +payers$/);
    expect(rows[1]).toMatch(/Jürgen +segment updated .*rules\[0\]\.conditions\[0\]: plan EQUAL pro → plan EQUAL free$/);
    expect(rows[2]).toContain(`${userInfo().username}  `);
    expect(rows[2]).toMatch(/segment created .*name: "payers"; rules\[0\]\.type: all; /);
  });

  it('as JSON has all of each entry', async () => {
    const [deleted, updated, created] = await entries('--subject', 'segment');
    expect([deleted, updated, created].map((entry) => entry?.actor)).toEqual([
      'deploy bot',
      'Jürgen',
      userInfo().username,
    ]);
    expect(updated?.before).toEqual(created?.after);
    expect(deleted?.before).toEqual(updated?.after);
    expect(deleted?.after).toBeUndefined();
  });

  it('filters', async () => {
    const keys = async (...args: string[]) => (await entries(...args)).map(({ key }) => key);
    expect(await keys('--subject', 'environment', '--project', 'shop')).toEqual(['live']);
    expect(await keys('--actor', 'Jürgen')).toEqual(['payers']);
    expect(await keys('--action', 'created', '--key', 'payers')).toEqual(['payers']);
    const [newest] = await entries();
    expect(await keys('--since', newest?.at ?? '')).toEqual(['live']);
    expect(await keys('--until', newest?.at ?? '', '--key', 'live')).toEqual([]);
    expect(await keys('--page-size', '1', '--all')).toHaveLength((await entries()).length);
    expect((await rollcall({}, 'audit', '--page-size', '1')).stdout).toMatch(/More: --page-token \S+\n$/);
    expect((await rollcall({}, 'audit', '--key', 'none')).stdout).toBe('There is no such entry.\n');
  });

  it('refuses what is no time and no kind', async () => {
    for (const args of [
      ['--since', 'yesterday'],
      ['--subject', 'trait'],
    ])
      expect(await cli.run(['audit', ...args, '--server', server.grpcAddress])).toMatchObject({ exitCode: 2 });
  });
});
