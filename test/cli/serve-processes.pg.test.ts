import { execFile } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../helpers/postgres.js';
import {
  all,
  type ChangeInit,
  type Clients,
  condition,
  connectClients,
  draftSelector,
  eventually,
  people,
} from '../helpers/rollcall.js';
import { readExposition, valueOf } from '../server/metrics/exposition.js';
import { type CompiledCli, compileCli, exitCodeOf, readAddresses } from './compiled-cli.js';

let cli: CompiledCli;
let database: TestDatabase;
let server: ChildProcessWithoutNullStreams | undefined;
let grpcPort: number;
let httpAddress: string;
const clients: Clients[] = [];

beforeAll(async () => {
  [cli, database] = await Promise.all([compileCli(), createTestDatabase()]);
});

afterEach(async () => {
  for (const connected of clients.splice(0)) connected.disconnect();
  if (server?.exitCode === null) {
    const ended = exitCodeOf(server);
    server.kill('SIGTERM');
    await ended;
  }
});

afterAll(async () => {
  await cli.remove();
  await database.drop();
});

async function serve(processes: number): Promise<ChildProcessWithoutNullStreams> {
  const ports = ['--grpc-port', '0', '--http-port', '0', '--shutdown-grace-ms', '5000'];
  server = cli.start(['serve', '--processes', String(processes), ...ports, '--log-level', 'fatal', '--json'], {
    env: { DATABASE_URL: database.url },
  });
  const addresses = await readAddresses(server);
  grpcPort = Number(addresses.grpcAddress.split(':').at(-1));
  httpAddress = addresses.httpAddress;
  return server;
}

/** Clients with a connection of their own. */
function connect(): Clients {
  const connected = connectClients(grpcPort);
  clients.push(connected);
  return connected;
}

async function readMetrics() {
  return readExposition(await (await fetch(`http://${httpAddress}/metrics`)).text());
}

async function callsOf(process: string): Promise<number | undefined> {
  const method = 'rollcall.v1.EnvironmentService/List';
  return valueOf(await readMetrics(), 'rollcall_rpc_calls_total', { method, code: 'OK', process });
}

async function childrenOf({ pid }: ChildProcessWithoutNullStreams): Promise<number[]> {
  const { stdout } = await promisify(execFile)('pgrep', ['-P', String(pid)]);
  return stdout.trim().split('\n').map(Number);
}

it('answers with several processes on one port, and shows the metrics of all of them on one page', async () => {
  const started = await serve(2);
  for (let connection = 0; connection < 4; connection++) await connect().environments.list({});
  expect([await callsOf('1'), await callsOf('2')]).toEqual([2, 2]);
  const page = await readMetrics();
  const memory = (process: string) => valueOf(page, 'process_resident_memory_bytes', { process });
  expect(memory('1')).toBeGreaterThan(0);
  expect(memory('2')).toBeGreaterThan(0);
  expect(await (await fetch(`http://${httpAddress}/readyz`)).text()).toBe('ok\n');
  expect(await childrenOf(started)).toHaveLength(2);
});

it('sees in each process what was applied by another', async () => {
  await serve(2);
  const [writer, reader] = [connect(), connect()];
  await writer.environments.create({ environment: { key: 'default' } });
  await reader.environments.list({});
  const { revisions } = await writer.ingest.applyChanges([{ changes: people(10) }]);
  const level = { case: 'atLeastRevision' as const, value: revisions[0]?.revision ?? 0n };
  const selector = draftSelector([all(condition('n', 'IS_SET', ''))]);
  expect(await reader.membership.count({ selector, freshness: { level } })).toMatchObject({ count: 10n });
});

it('puts another process in the place of one that is killed', async () => {
  const started = await serve(2);
  const before = await childrenOf(started);
  process.kill(before[0] ?? 0, 'SIGKILL');
  await eventually(async () => {
    const after = await childrenOf(started);
    if (after.length < 2 || after.includes(before[0] ?? 0)) throw new Error('nobody took its place');
  });
  await eventually(async () => {
    for (let connection = 0; connection < 2; connection++) await connect().environments.list({}, { timeoutMs: 1_000 });
    if ([await callsOf('1'), await callsOf('2')].includes(undefined)) throw new Error('it does not answer yet');
  });
});

it('lets open calls end after a signal to stop, and leaves no process behind', async () => {
  const started = await serve(2);
  await connect().environments.create({ environment: { key: 'drained' } });
  const children = await childrenOf(started);
  const ended = exitCodeOf(started);
  async function* changes(): AsyncGenerator<{ changes: ChangeInit[] }> {
    yield { changes: people(1, 'early', 'drained') };
    await sleep(500);
    started.kill('SIGTERM');
    await sleep(500);
    yield { changes: people(1, 'late', 'drained') };
  }
  expect(await connect().ingest.applyChanges(changes())).toMatchObject({ applied: 2n });
  for (const connected of clients.splice(0)) connected.disconnect();
  expect(await ended).toBe(0);
  for (const pid of children) expect(() => process.kill(pid, 0)).toThrow();
});

it('says why it cannot start, and leaves nothing behind', async () => {
  await serve(2);
  const port = ['--grpc-port', String(grpcPort), '--http-port', '0'];
  const second = await cli.run(['serve', '--processes', '2', ...port, '--log-level', 'silent', '--json'], {
    env: { DATABASE_URL: database.url },
  });
  expect(second.exitCode).toBe(1);
  expect(second.stderr).toContain('EADDRINUSE');
});
