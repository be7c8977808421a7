import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { SourceKind } from '../../src/gen/rollcall/v1/environment_service_pb.js';
import { type Backfill, BackfillState } from '../../src/gen/rollcall/v1/index_service_pb.js';
import { createFlagsmith, type Flagsmith, insertIdentities } from '../helpers/flagsmith.js';
import { createTestDatabase, type TestDatabase } from '../helpers/postgres.js';
import {
  all,
  type Clients,
  condition,
  connectClients,
  eventually,
  segmentSelector,
  untilAnswered,
} from '../helpers/rollcall.js';
import { type CompiledCli, compileCli, exitCodeOf, readAddresses } from './compiled-cli.js';

const PEOPLE = 12_000;
const KEY = 'env-1';
const ROLES = ['rollcall_test_first', 'rollcall_test_second', 'rollcall_test_third'] as const;
type Role = (typeof ROLES)[number];

interface Process {
  readonly role: Role;
  readonly child: ChildProcessWithoutNullStreams;
  readonly clients: Clients;
}

let cli: CompiledCli;
let flagsmith: Flagsmith;
let database: TestDatabase;
let processes: Process[] = [];

beforeAll(async () => {
  [cli, flagsmith] = await Promise.all([compileCli(), createFlagsmith()]);
  await insertIdentities(flagsmith.sql, 1, 1, PEOPLE);
  for (const role of ROLES)
    await flagsmith.sql.unsafe(`drop role if exists ${role}; create role ${role} superuser login password 'reader'`);
});
afterAll(async () => {
  await cli.remove();
  for (const role of ROLES) await flagsmith.sql.unsafe(`drop role ${role}`);
  await flagsmith.drop();
});
beforeEach(async () => {
  database = await createTestDatabase();
  processes = await Promise.all(ROLES.map(start));
});
afterEach(async () => {
  await Promise.all(processes.map((one) => end(one, 'SIGTERM')));
  await database.drop();
});

/** A server of its own, which reads the source as a role of its own. */
async function start(role: Role): Promise<Process> {
  const source = new URL(flagsmith.url);
  source.username = role;
  source.password = 'reader';
  const ports = ['--grpc-port', '0', '--http-port', '0', '--shutdown-grace-ms', '500'];
  const child = cli.start(
    ['serve', ...ports, '--backfill-identities-per-second', '2000', '--log-level', 'fatal', '--json'],
    {
      env: { DATABASE_URL: database.url, ROLLCALL_FLAGSMITH_DATABASE_URL: source.href },
    },
  );
  const { grpcAddress } = await readAddresses(child);
  return { role, child, clients: connectClients(Number(grpcAddress.split(':').at(-1))) };
}

async function end({ child, clients }: Process, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  clients.disconnect();
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = exitCodeOf(child);
  child.kill(signal);
  await ended;
}

/** The roles that are connected to the source and have read identities last. */
async function readers(): Promise<string[]> {
  const rows = await flagsmith.sql<{ role: string }[]>`
    select distinct usename as role from pg_stat_activity
    where datname = current_database() and starts_with(usename, 'rollcall_test_') and query like '%environments_identity%'`;
  return rows.map(({ role }) => role);
}

async function backfills(): Promise<{ owner: string; state: string }[]> {
  return database.db.sql<{ owner: string; state: string }[]>`select lease_owner as owner, state from backfill`;
}

async function newest({ index }: Clients): Promise<Backfill> {
  const { backfill } = await index.getBackfill({ environment: KEY });
  if (backfill === undefined) throw new Error('an answer without its backfill');
  return backfill;
}

it('one of several processes runs a backfill, and another goes on from its cursor when that one is killed', async () => {
  const [first] = processes;
  if (first === undefined) throw new Error('no process runs');
  const rules = [all(condition('paid', 'EQUAL', 'true'))];
  await first.clients.segments.create({ segment: { project: '1', key: 'paying', rules } });
  await first.clients.environments.create({ environment: { key: KEY, project: '1', source: SourceKind.FLAGSMITH } });
  const [owners, seen] = [new Set<string>(), new Set<string>()];
  await eventually(async () => {
    for (const { owner } of await backfills()) if (owner !== '') owners.add(owner);
    for (const role of await readers()) seen.add(role);
    expect((await newest(first.clients)).identitiesRead).toBeGreaterThan(5_000n);
  });
  expect([owners.size, seen.size, (await backfills()).length]).toEqual([1, 1, 1]);

  const running = processes.find(({ role }) => seen.has(role));
  const others = processes.filter((one) => one !== running);
  const [other] = others;
  if (running === undefined || other === undefined) throw new Error('nobody reads the source');
  await end(running, 'SIGKILL');
  const before = await newest(other.clients);
  expect(before).toMatchObject({ state: BackfillState.RUNNING, resumed: 0 });
  await sleep(1_500);
  expect((await newest(other.clients)).identitiesRead, 'its lease holds').toBe(before.identitiesRead);
  await database.db.sql`update backfill set lease_until = now() - interval '1 second'`;
  const after = new Set<string>();
  const done = await eventually(async () => {
    for (const role of await readers()) after.add(role);
    const backfill = await newest(other.clients);
    expect(backfill.state).toBe(BackfillState.DONE);
    return backfill;
  });
  expect(done).toMatchObject({ id: before.id, resumed: 1, identitiesRead: BigInt(PEOPLE) });
  expect([after.size, after.has(running.role)]).toEqual([1, false]);
  for (const { clients } of others) {
    const counted = await untilAnswered(() =>
      clients.membership.count({
        selector: segmentSelector('paying', KEY),
        freshness: { level: { case: 'latest', value: true } },
      }),
    );
    expect(counted.count).toBe(BigInt(PEOPLE / 2));
    expect((await clients.index.verify({ environment: KEY })).differences).toEqual([]);
  }
}, 90_000);
