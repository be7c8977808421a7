import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findJava } from '../../src/cli/development-broker/java.js';
import { startLocalBroker } from '../../src/cli/development-broker/local-broker.js';
import type { LocalBroker } from '../../src/cli/development-broker/local-broker.js';
import { createKafkaClient } from '../../src/indexing/kafka/kafka-client.js';
import type { Admin } from '../../src/indexing/kafka/kafka-client.js';
import { isRunning } from '../../src/storage/embedded/process-table.js';

/** Starts of Java on a machine that does other things. */
vi.setConfig({ testTimeout: 180_000 });

/** Another broker may serve the rest of the suites where this machine has no Java. */
const hasJava = await findJava(process.env).then(
  () => true,
  () => false,
);

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollcall-broker-test-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function onBroker<T>(broker: LocalBroker, ask: (admin: Admin) => Promise<T>): Promise<T> {
  const connection = { brokers: broker.brokers, tls: false, tlsCaFile: undefined, sasl: undefined };
  const admin = createKafkaClient({ ...connection, onLog: () => undefined }).admin();
  await admin.connect();
  try {
    return await ask(admin);
  } finally {
    await admin.disconnect();
  }
}

async function clusterId(broker: LocalBroker): Promise<string> {
  return onBroker(broker, async (admin) => (await admin.describeCluster()).clusterId);
}

/** A process of its own that runs a broker until it is killed: the process id of its Java, and the process. */
async function startOwner(dataDirectory: string, isTemporary: boolean) {
  const compiled = await compileBroker();
  const program = `
    import { startLocalBroker } from ${JSON.stringify(pathToFileURL(join(compiled, 'development-broker/local-broker.js')).href)};
    const broker = await startLocalBroker({ dataDirectory: process.argv[1], isTemporary: process.argv[2] === 'true' });
    console.log(broker.pid);`;
  const owner = spawn(
    process.execPath,
    ['--input-type=module', '--eval', program, dataDirectory, String(isTemporary)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const line: unknown[] = await once(createInterface({ input: owner.stdout }), 'line');
  return { owner, java: Number(line[0]) };
}

async function compileBroker(): Promise<string> {
  const target = join(folder, 'compiled');
  await mkdir(join(target, 'development-broker'), { recursive: true });
  const names = await readdir('src/cli/development-broker');
  for (const name of ['command-error.ts', ...names.map((file) => join('development-broker', file))]) {
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };
    const { outputText } = ts.transpileModule(await readFile(join('src/cli', name), 'utf8'), { compilerOptions });
    await writeFile(join(target, name.replace(/\.ts$/, '.js')), outputText);
  }
  await writeFile(join(target, 'package.json'), '{"type":"module"}');
  await symlink(resolve('node_modules'), join(target, 'node_modules'), 'junction').catch(() => undefined);
  return target;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

describe.skipIf(!hasJava)('a local broker', () => {
  it('has its port and its data again after it was killed, and after it was stopped', async () => {
    const broker = await startLocalBroker({ dataDirectory: join(folder, 'restarted') });
    try {
      await onBroker(broker, (admin) => admin.createTopics({ topics: [{ topic: 'kept' }], waitForLeaders: true }));
      const [id, pid] = [await clusterId(broker), broker.pid];
      await broker.kill();
      expect(await broker.ended).toBe('by SIGKILL');
      expect(await isRunning(pid)).toBe(false);
      await broker.restart();
      expect(await clusterId(broker)).toBe(id);
      await broker.restart();
      expect(await onBroker(broker, (admin) => admin.listTopics())).toContain('kept');
    } finally {
      await broker.stop();
    }
    expect(await isRunning(broker.pid)).toBe(false);
  });

  it('dies with the process that started it, though that was killed, and leaves no temporary data', async () => {
    const dataDirectory = join(folder, 'temporary');
    const { owner, java } = await startOwner(dataDirectory, true);
    expect(await isRunning(java)).toBe(true);
    owner.kill('SIGKILL');
    await vi.waitFor(async () => expect(await isRunning(java)).toBe(false), { timeout: 15_000 });
    await vi.waitFor(async () => expect(await exists(dataDirectory)).toBe(false), { timeout: 15_000 });
  });

  it('starts again on the data of one whose process was killed', async () => {
    const dataDirectory = join(folder, 'kept');
    const { owner } = await startOwner(dataDirectory, false);
    owner.kill('SIGKILL');
    const broker = await startLocalBroker({ dataDirectory });
    expect(await clusterId(broker)).not.toBe('');
    await broker.stop();
  });

  it('shows the end of its log where it does not start', async () => {
    const settings = { 'log.retention.hours': 'never' };
    const start = startLocalBroker({ dataDirectory: join(folder, 'bad-settings'), settings });
    await expect(start).rejects.toThrow(/Invalid value never for configuration log.retention.hours/);
  });

  it('says that its port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      await expect(startLocalBroker({ dataDirectory: join(folder, 'taken'), port })).rejects.toThrow(/in use/i);
    } finally {
      other.close();
    }
  });
});
