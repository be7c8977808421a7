import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { createFlagsmith, type Flagsmith, insertIdentities } from '../helpers/flagsmith.js';
import { createTestDatabase, type TestDatabase } from '../helpers/postgres.js';
import { eventually } from '../helpers/rollcall.js';
import { type CompiledCli, compileCli, type CommandResult, exitCodeOf, readAddresses } from './compiled-cli.js';

const PEOPLE = 12_000;

let cli: CompiledCli;
let database: TestDatabase;
let flagsmith: Flagsmith;
let server: ChildProcessWithoutNullStreams | undefined;
let address: string;

beforeAll(async () => {
  [cli, database, flagsmith] = await Promise.all([compileCli(), createTestDatabase(), createFlagsmith()]);
  await insertIdentities(flagsmith.sql, 1, 1, PEOPLE);
  await insertIdentities(flagsmith.sql, 2, PEOPLE + 1, PEOPLE + 10);
}, 60_000);

afterEach(async () => {
  if (server?.exitCode !== null || server.signalCode !== null) return;
  const ended = exitCodeOf(server);
  server.kill('SIGTERM');
  await ended;
});

afterAll(async () => {
  await cli.remove();
  await flagsmith.drop();
  await database.drop();
});

const environmentOf = () => ({
  DATABASE_URL: database.url,
  ROLLCALL_FLAGSMITH_DATABASE_URL: flagsmith.url,
  SEGMENT_MEMBERSHIP_ENABLED: 'true',
});

async function serve(...flags: string[]): Promise<ChildProcessWithoutNullStreams> {
  const ports = ['--grpc-port', '0', '--http-port', '0', '--log-level', 'fatal', '--json'];
  server = cli.start(['serve', ...ports, ...flags], { env: environmentOf() });
  address = (await readAddresses(server)).grpcAddress;
  return server;
}

const ask = (...args: string[]): Promise<CommandResult> => cli.run([...args, '--server', address]);

async function json<Shape>(shape: z.ZodType<Shape>, ...args: string[]): Promise<Shape> {
  const { stdout, stderr } = await ask(...args, '--json');
  if (stdout === '') throw new Error(`nothing was written: ${stderr}`);
  return shape.parse(JSON.parse(stdout));
}

const BACKFILL = z.object({
  id: z.number(),
  state: z.string(),
  identitiesRead: z.number(),
  resumed: z.number(),
  error: z.string().optional(),
});
const status = () => json(BACKFILL, 'backfill', 'status', 'env-1');

it('a server that is killed half-way leaves a backfill to the next one, which goes on from the cursor', async () => {
  const first = await serve('--backfill-identities-per-second', '1000');
  await ask('environment', 'create', 'env-1', '--source', 'flagsmith', '--project', '1', '--organisation', '1');
  await eventually(async () => expect((await status()).identitiesRead).toBeGreaterThan(0));
  expect((await status()).identitiesRead).toBeLessThan(PEOPLE);
  const { id } = await status();
  const killed = exitCodeOf(first);
  first.kill('SIGKILL');
  await killed;
  await database.db.sql`update backfill set lease_until = now() where lease_until > now()`;
  await serve();
  const { exitCode, stdout } = await ask('backfill', 'status', 'env-1', '--watch', '--progress', '--json');
  expect(exitCode).toBe(0);
  const last = BACKFILL.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
  expect(last).toMatchObject({ id, state: 'DONE', identitiesRead: PEOPLE, resumed: 1 });
  const [row] = await database.db.sql`select count(*)::int as count from identity where deleted_revision is null`;
  expect(row).toEqual({ count: PEOPLE });
}, 60_000);

it('refresh is refused within the cooldown, with exit code 4 and the time left', async () => {
  await serve();
  const { exitCode, stderr } = await ask('refresh', 'env-1', '--json');
  expect(exitCode).toBe(4);
  const { error } = z
    .object({ error: z.object({ reason: z.string(), metadata: z.record(z.string(), z.string()) }) })
    .parse(JSON.parse(stderr));
  expect(error.reason).toBe('REFRESH_COOLDOWN');
  expect(Number(error.metadata['retryAfterMs'])).toBeGreaterThan(0);
}, 60_000);

it('backfill start, list and cancel say what they did, and --wait how it ended', async () => {
  await serve();
  const started = await ask('backfill', 'start', 'env-1', '--wait');
  expect([started.exitCode, started.stderr]).toEqual([0, '']);
  expect(started.stdout).toContain('12,000 identities read, 0 changed, 0 removed');
  expect(started.stdout).not.toContain(' % of ');
  await json(BACKFILL, 'backfill', 'start', 'env-1', '--rate', '100');
  const shown = await ask('status', '--environment', 'env-1');
  expect(shown.stdout).toMatch(/backfill \d+ of env-1 from .*: running/);
  const cancelled = await ask('backfill', 'cancel', 'env-1');
  expect(cancelled.stdout).toContain('CANCELLED: it was cancelled');
  const again = await ask('backfill', 'cancel', 'env-1');
  expect([again.exitCode, again.stderr]).toEqual([3, expect.stringContaining('BACKFILL_NOT_FOUND')]);
  const list = await ask('backfill', 'list', 'env-1');
  expect(
    list.stdout
      .split('\n')
      .slice(1, 3)
      .map((line) => /done|cancelled/.exec(line)?.[0]),
  ).toEqual(['cancelled', 'done']);
}, 60_000);

it('adopt flagsmith shows first what it would do, does it, and waits till all is loaded', async () => {
  await serve();
  const dry = await ask('adopt', 'flagsmith', '--dry-run');
  expect(dry.stdout).toContain('environment env-2 Environment 2: created');
  expect(dry.stdout).toContain('a dry run: nothing was written');
  expect((await ask('environment', 'list', '--json')).stdout.trim().split('\n')).toHaveLength(1);
  const done = await ask('adopt', 'flagsmith', '--wait');
  expect([done.exitCode, done.stderr]).toEqual([0, expect.stringContaining('3 environments loaded')]);
  expect(done.stdout).toContain('environments: 2 created, 1 updated');
  const all = await ask('status', '--json');
  const { environments } = z
    .object({ environments: z.array(z.object({ environment: z.string(), state: z.string(), identities: z.number() })) })
    .parse(JSON.parse(all.stdout));
  expect(environments).toEqual([
    { environment: 'env-1', state: 'READY', identities: PEOPLE },
    { environment: 'env-2', state: 'READY', identities: 10 },
    { environment: 'env-3', state: 'READY', identities: 0 },
  ]);
  expect(done.stderr).not.toContain('skipped');
  const again = await ask('adopt', 'flagsmith');
  expect(again.stdout).toContain('environments: 3 unchanged');
}, 60_000);

it('adopt --wait says which environments are loaded without rows that cannot be taken', async () => {
  await flagsmith.sql`insert into environments_identity (id, identifier, environment_id) values (${PEOPLE + 11}, 'odd', 2)`;
  await flagsmith.sql`insert into environments_trait (trait_key, value_type, identity_id) values ('a', 'list', ${PEOPLE + 11})`;
  const own = await createTestDatabase();
  try {
    const env = { ...environmentOf(), DATABASE_URL: own.url };
    const { exitCode, stderr } = await cli.run(['adopt', 'flagsmith', '--wait'], { env });
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining('3 environments loaded')]);
    expect(stderr).toContain('env-2: 1 row skipped: rollcall backfill status env-2');
    expect(stderr).not.toContain('env-1: ');
  } finally {
    await own.drop();
    await flagsmith.sql`delete from environments_trait where trait_key = 'a'`;
    await flagsmith.sql`delete from environments_identity where identifier = 'odd'`;
  }
}, 60_000);

it('without a server, adopt --wait loads in its own process', async () => {
  const own = await createTestDatabase();
  try {
    const env = { ...environmentOf(), DATABASE_URL: own.url };
    const { exitCode, stderr } = await cli.run(['adopt', 'flagsmith', '--environment', 'env-2', '--wait'], { env });
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining('1 environment loaded')]);
    const [row] = await own.db.sql`select count(*)::int as count from identity`;
    expect(row).toEqual({ count: 10 });
  } finally {
    await own.drop();
  }
}, 60_000);
