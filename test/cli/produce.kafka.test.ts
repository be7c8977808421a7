import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { connectTestBroker, type TestBroker, untilDrained } from '../helpers/kafka-feed.js';
import { createTestDatabase, type TestDatabase } from '../helpers/postgres.js';
import type { CommandResult, CompiledCli } from './compiled-cli.js';
import { compileCli, exitCodeOf, readAddresses } from './compiled-cli.js';

const PEOPLE = 20_000;

let cli: CompiledCli;
let database: TestDatabase;
let broker: TestBroker;
let folder: string;
let topic: string;
let server: ChildProcessWithoutNullStreams;
let serverAddress: string;

beforeAll(async () => {
  [cli, database, broker, folder] = await Promise.all([
    compileCli(),
    createTestDatabase(),
    connectTestBroker(),
    mkdtemp(join(tmpdir(), 'rollcall-produce-')),
  ]);
  topic = await broker.createTopic(3);
  server = cli.start(['serve', '--json', '--grpc-port', '0', '--http-port', '0', '--log-level', 'error'], {
    env: {
      DATABASE_URL: database.url,
      ROLLCALL_KAFKA_BROKERS: brokers(),
      ROLLCALL_KAFKA_TOPICS: topic,
      ROLLCALL_KAFKA_GROUP: randomUUID(),
    },
  });
  serverAddress = (await readAddresses(server)).grpcAddress;
  await writeFile(join(folder, 'people.csv'), csvOf(PEOPLE));
  await writeFile(
    join(folder, 'one.ndjson'),
    '{"identifier": "ada", "traits": {"plan": "pro", "age": 36, "score": 1.0}}\n',
  );
  expect(await rollcall('import', join(folder, 'one.ndjson'))).toMatchObject({ exitCode: 0 });
  expect(await rollcall('segment', 'put', 'payers', '--where', 'plan EQUAL pro')).toMatchObject({ exitCode: 0 });
});

afterAll(async () => {
  const ended = exitCodeOf(server);
  server.kill('SIGTERM');
  await ended;
  await Promise.all([database.drop(), broker.close(), cli.remove(), rm(folder, { recursive: true })]);
});

function brokers(): string {
  return inject('kafkaBrokers').join(',');
}

function csvOf(people: number): string {
  const rows = Array.from({ length: people }, (_, n) => `person-${n},${n % 2 === 0 ? 'pro' : 'free'},${n % 80}`);
  return ['identifier,plan,age', ...rows, ''].join('\n');
}

function rollcall(...args: string[]): Promise<CommandResult> {
  return cli.run(args, { env: { ROLLCALL_SERVER: serverAddress, ROLLCALL_KAFKA_BROKERS: brokers() } });
}

async function count(): Promise<number> {
  const { stdout } = await rollcall('count', 'payers', '--latest', '--json');
  return z.object({ count: z.number() }).parse(JSON.parse(stdout)).count;
}

function reasonOf({ stderr }: CommandResult): string {
  return z.object({ error: z.object({ reason: z.string() }) }).parse(JSON.parse(stderr)).error.reason;
}

describe('produce', () => {
  it('puts a file on the topic, which the service then shows', async () => {
    const produced = await rollcall('produce', join(folder, 'people.csv'), '--topic', topic, '--json');
    expect(produced).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(produced.stdout)).toMatchObject({
      rows: PEOPLE,
      produced: PEOPLE,
      topic,
      environment: 'default',
    });
    await untilDrained(database.db, topic);
    expect(await count()).toBe(PEOPLE / 2 + 1);
    const partitions = await database.db.sql<{ next: number }[]>`
      select next_offset as next from kafka_offset where topic = ${topic}`;
    expect(partitions.every(({ next }) => next > PEOPLE / 6)).toBe(true);
  });

  it('writes JSON that is read the same, and sets only some traits', async () => {
    await writeFile(join(folder, 'some.ndjson'), '{"identifier": "ada", "traits": {"plan": null, "score": 2.0}}\n');
    const path = join(folder, 'some.ndjson');
    const args = ['--topic', topic, '--mode', 'set-traits', '--format', 'json'];
    expect(await rollcall('produce', path, ...args)).toMatchObject({ exitCode: 0 });
    await untilDrained(database.db, topic);
    const [ada] = await database.db.sql<{ traits: string }[]>`
      select traits::text as traits from identity where identifier = 'ada'`;
    expect(ada?.traits).toBe('{"age": 36, "score": 2.0}');
    expect(await count()).toBe(PEOPLE / 2);
  });

  it('shows a bar that moves', async () => {
    const args = ['--topic', topic, '--progress'];
    const { stderr } = await rollcall('produce', join(folder, 'people.csv'), ...args);
    expect(stderr).toContain('Producing');
    expect(stderr).toContain('100 %');
  });

  it('sends nothing of a file with a bad row, nor in a dry run', async () => {
    await untilDrained(database.db, topic);
    const ends = async (): Promise<string[]> =>
      (await broker.admin.fetchTopicOffsets(topic)).map(({ partition, high }) => `${partition}: ${high}`).sort();
    const before = await ends();
    await writeFile(join(folder, 'bad.csv'), `${csvOf(10)}\n,pro,1\n`);
    const bad = await rollcall('produce', join(folder, 'bad.csv'), '--topic', topic, '--json');
    expect([bad.exitCode, reasonOf(bad)]).toEqual([2, 'BAD_INPUT']);
    const dry = await rollcall('produce', join(folder, 'people.csv'), '--topic', topic, '--dry-run', '--json');
    expect(JSON.parse(dry.stdout)).toMatchObject({ rows: PEOPLE, dryRun: true });
    expect(await ends()).toEqual(before);
  });

  it('says which topic is missing, and that brokers cannot be reached or were not given', async () => {
    const path = join(folder, 'one.ndjson');
    const missing = await rollcall('produce', path, '--topic', 'nowhere', '--json');
    expect([missing.exitCode, reasonOf(missing)]).toEqual([2, 'USAGE']);
    expect(missing.stderr).toContain('nowhere');
    const away = await rollcall('produce', path, '--brokers', '127.0.0.1:1', '--json');
    expect([away.exitCode, reasonOf(away)]).toEqual([5, 'SERVER_UNREACHABLE']);
    const none = await cli.run(['produce', path, '--json'], { env: { ROLLCALL_KAFKA_BROKERS: '' } });
    expect([none.exitCode, reasonOf(none)]).toEqual([2, 'USAGE']);
  });
});

describe('dead-letters', () => {
  it('lists, replays and drops what the service put aside', async () => {
    await broker.send(topic, [{ key: 'default:ben', value: Buffer.from('garbage') }]);
    const elsewhere = ['--topic', topic, '--environment', 'staging'];
    expect(await rollcall('produce', join(folder, 'one.ndjson'), ...elsewhere)).toMatchObject({ exitCode: 0 });
    await untilDrained(database.db, topic);

    const listed = await rollcall('dead-letters', 'list', '--json');
    const letters = listed.stdout
      .trimEnd()
      .split('\n')
      .map((line) => z.object({ id: z.number(), reason: z.string(), keyText: z.string() }).parse(JSON.parse(line)));
    expect(letters.map(({ reason, keyText }) => [reason, keyText]).sort()).toEqual([
      ['ENVIRONMENT_NOT_FOUND', 'staging:ada'],
      ['INVALID_REQUEST', 'default:ben'],
    ]);
    const status = await rollcall('status');
    expect(status.stdout).toContain('2 dead letters');
    expect(status.stdout).toContain('1 identity quarantined');
    expect(status.stdout).toContain(topic);

    const failing = await rollcall('dead-letters', 'replay', '--all', '--json');
    expect([failing.exitCode, reasonOf(failing)]).toEqual([1, 'REPLAY_FAILED']);
    expect(JSON.parse(failing.stdout)).toMatchObject({ replayed: 0, failed: [{}, {}] });
    await database.db.sql`update environment set key = 'staging' where key = 'default'`;
    const replayed = await rollcall('dead-letters', 'replay', '--environment', 'staging', '--json');
    expect(replayed).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(replayed.stdout)).toEqual({ replayed: 1, failed: [] });
    await database.db.sql`update environment set key = 'default' where key = 'staging'`;

    const left = letters.find(({ reason }) => reason === 'INVALID_REQUEST')?.id ?? 0;
    const dropped = await rollcall('dead-letters', 'drop', String(left), '--json');
    expect(JSON.parse(dropped.stdout)).toEqual({ dropped: 1 });
    expect((await rollcall('dead-letters', 'list')).stdout).toContain('There is no dead letter');
  });

  it('wants to be told which', async () => {
    for (const args of [['drop'], ['replay'], ['drop', '1', '--all'], ['drop', 'x'], ['list', '--reason', 'BAD']]) {
      const refused = await rollcall('dead-letters', ...args, '--json');
      expect([refused.exitCode, reasonOf(refused)]).toEqual([2, 'USAGE']);
    }
  });
});

it('leaves the feed to servers that stay, where a command runs one for itself', async () => {
  const env = { DATABASE_URL: database.url, ROLLCALL_KAFKA_BROKERS: brokers(), ROLLCALL_KAFKA_TOPICS: topic };
  const { stdout } = await cli.run(['status', '--json'], { env });
  expect(JSON.parse(stdout)).toMatchObject({ feed: { state: 'OFF' } });
});
