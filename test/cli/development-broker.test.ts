import { chmod, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KAFKA_VERSION, resolveBrokerJars } from '../../src/cli/development-broker/broker-jars.js';
import { brokerProperties } from '../../src/cli/development-broker/broker-settings.js';
import { findBroker } from '../../src/cli/development-broker/find-broker.js';
import { findJava } from '../../src/cli/development-broker/java.js';
import { startLocalBroker } from '../../src/cli/development-broker/local-broker.js';

/** Commands that stand for those of a machine: a Java of some version, a Maven that gets two jars or cannot. */
const JAVA_8 = 'echo \'openjdk version "1.8.0_402"\' >&2';
const JAVA_21 = 'echo \'openjdk version "21.0.2" 2024-01-16\' >&2';
const MAVEN = 'echo call >> "$CALLS"; echo one > jars/one.jar; echo two > jars/two.jar';
const MAVEN_OFFLINE = 'echo "[ERROR] Could not transfer artifact org.apache.kafka: no route to host"; exit 1';

let folder: string;
let environment: NodeJS.ProcessEnv;
let lines: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollcall-broker-test-'));
  environment = { PATH: join(folder, 'bin'), CALLS: join(folder, 'calls') };
  lines = [];
  await mkdir(join(folder, 'bin'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function install(name: string, program: string, bin = join(folder, 'bin')): Promise<void> {
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, name), `#!/bin/sh\n${program}\n`);
  await chmod(join(bin, name), 0o755);
}

async function downloads(): Promise<number> {
  const text = await readFile(join(folder, 'calls'), 'utf8').catch(() => '');
  return text.split('\n').length - 1;
}

function resolveJars(): Promise<string> {
  return resolveBrokerJars({
    environment,
    cacheDirectory: join(folder, 'cache'),
    log: (line) => lines.push(line),
  });
}

it('uses the brokers of KAFKA_BROKERS as they are', async () => {
  const broker = await findBroker({ environment: { KAFKA_BROKERS: ' one:9092,, two:9093 ' } });
  expect(broker).toMatchObject({ brokers: ['one:9092', 'two:9093'], origin: 'environment' });
  await broker.stop();
});

it('puts given settings beside and instead of its own', () => {
  const place = { port: 1, controllerPort: 2, logDirectory: 'C:\\data' };
  const text = brokerProperties(place, { 'node.id': '7', 'message.max.bytes': '5' });
  expect(text).toContain('\nnode.id=7\n');
  expect(text).toContain('\nmessage.max.bytes=5\n');
  expect(text).toContain('\nlog.dirs=C:/data\n');
  expect(text).not.toContain('node.id=1');
});

describe.skipIf(process.platform === 'win32')('on a machine', () => {
  it('without Java it says so, and what to install', async () => {
    const start = startLocalBroker({ dataDirectory: join(folder, 'data'), environment });
    await expect(start).rejects.toMatchObject({ reason: 'SERVER_UNREACHABLE' });
    await expect(start).rejects.toThrow(/no Java in JAVA_HOME or on the PATH \(install a Java runtime, version 17/);
  });

  it('with a Java that is too old it says which', async () => {
    await install('java', JAVA_8);
    await expect(findJava(environment)).rejects.toThrow('the Java found is version 8');
  });

  it('prefers the Java of JAVA_HOME to that of the PATH, where it is new enough', async () => {
    await install('java', JAVA_21);
    const home = join(folder, 'home');
    const withHome = { ...environment, JAVA_HOME: home };
    expect(await findJava(withHome)).toBe('java');
    await install('java', JAVA_8, join(home, 'bin'));
    expect(await findJava(withHome)).toBe('java');
    await install('java', JAVA_21, join(home, 'bin'));
    expect(await findJava(withHome)).toBe(join(home, 'bin', 'java'));
  });

  it('without Maven it says so, and leaves no half cache', async () => {
    await expect(resolveJars()).rejects.toThrow('no Maven on the PATH');
    expect(await readdir(join(folder, 'cache', `kafka-${KAFKA_VERSION}`))).toEqual([]);
  });

  it('without a way to the jars it says what Maven says', async () => {
    await install('mvn', MAVEN_OFFLINE);
    await expect(resolveJars()).rejects.toThrow('could not get the jars of Apache Kafka: Could not transfer artifact');
    expect(await readdir(join(folder, 'cache', `kafka-${KAFKA_VERSION}`))).toEqual([]);
  });

  it('whose cache cannot be written it names the folder', async () => {
    await writeFile(join(folder, 'cache'), 'a file');
    await expect(resolveJars()).rejects.toMatchObject({ reason: 'FILE' });
  });

  it('downloads once', async () => {
    await install('mvn', MAVEN);
    const first = await resolveJars();
    expect((await readdir(first)).sort()).toEqual(['one.jar', 'two.jar']);
    expect(await resolveJars()).toBe(first);
    expect(await downloads()).toBe(1);
    await rm(join(folder, 'bin', 'mvn'));
    expect(await resolveJars()).toBe(first);
  });

  it.each([
    ['cut', (jars: string) => writeFile(join(jars, 'one.jar'), 'o')],
    ['missing', (jars: string) => rm(join(jars, 'two.jar'))],
    ['strange', (jars: string) => writeFile(join(jars, 'three.jar'), 'three')],
    ['not vouched for', (jars: string) => rm(join(jars, '..', 'jars.json'))],
  ])('downloads again where a jar of the cache is %s', async (_, damage) => {
    await install('mvn', MAVEN);
    const first = await resolveJars();
    await damage(first);
    const second = await resolveJars();
    expect(second).not.toBe(first);
    expect(await readFile(join(second, 'one.jar'), 'utf8')).toBe('one\n');
    expect(lines.join('\n')).toContain('damaged');
    expect(await downloads()).toBe(2);
    expect(await readdir(join(folder, 'cache', `kafka-${KAFKA_VERSION}`))).toHaveLength(1);
  });

  it('lets several processes fill one cache at the same time', async () => {
    await install('mvn', `${MAVEN}; /bin/sleep 0.2`);
    const folders = await Promise.all(Array.from({ length: 5 }, resolveJars));
    for (const jars of folders) expect((await readdir(jars)).sort()).toEqual(['one.jar', 'two.jar']);
    const before = await downloads();
    expect(folders).toContain(await resolveJars());
    expect(await downloads()).toBe(before);
  });

  it('removes what a process left unfinished long ago, and leaves what one works on', async () => {
    await install('mvn', MAVEN);
    const cache = join(folder, 'cache', `kafka-${KAFKA_VERSION}`);
    await mkdir(join(cache, 'unfinished-old'), { recursive: true });
    await mkdir(join(cache, 'unfinished-new'));
    await utimes(join(cache, 'unfinished-old'), new Date(0), new Date(0));
    await resolveJars();
    const names = await readdir(cache);
    expect(names).toContain('unfinished-new');
    expect(names).not.toContain('unfinished-old');
  });
});
