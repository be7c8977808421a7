import { randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CommandError, fileError } from '../command-error.js';
import type { Broker } from './broker.js';
import { resolveBrokerJars, userCacheDirectory } from './broker-jars.js';
import { complaintsOf, followLog, untilReady } from './broker-log.js';
import { startBrokerProcess } from './broker-process.js';
import type { BrokerProcess } from './broker-process.js';
import { brokerProperties } from './broker-settings.js';
import { freePorts, isPortFree } from './free-ports.js';
import { findJava } from './java.js';

const run = promisify(execFile);

export interface LocalBrokerOptions {
  /** Made on first use; what is in it is there again at the next start. */
  readonly dataDirectory: string;
  /** Of 127.0.0.1, for clients; a free one where there is none given. */
  readonly port?: number;
  /** Kafka's own settings, beside or instead of ours. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Passwords by user name, for SCRAM where the settings ask for it; of a new data folder only. */
  readonly scramUsers?: Readonly<Record<string, string>>;
  /** Nobody needs the data folder without this process: should it die, the folder goes, too. */
  readonly isTemporary?: boolean;
  readonly environment?: NodeJS.ProcessEnv;
  /** Where the jars are kept (default: in the user's cache). */
  readonly cacheDirectory?: string;
  /** Told of what takes long. */
  readonly log?: (line: string) => void;
}

/** An Apache Kafka on this machine's Java: one node, of ours to kill. */
export interface LocalBroker extends Broker {
  readonly origin: 'local';
  readonly port: number;
  readonly pid: number;
  /** Of this broker's starts; an earlier one's is removed. */
  readonly logFile: string;
  /** Settles with how it ended, once the process that runs now is gone. */
  readonly ended: Promise<string>;
  /** Ends it by SIGKILL; its data stays. */
  kill(): Promise<void>;
  /** Starts it again, at the same port on the same data; stops it first where it runs. */
  restart(): Promise<void>;
}

const JAVA_OPTIONS = ['-Xms64m', '-Xmx320m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];
const LOG_OPTIONS = ['showDateTime=true', 'dateTimeFormat=HH:mm:ss.SSS'].map(
  (option) => `-Dorg.slf4j.simpleLogger.${option}`,
);
const START_ATTEMPTS = 8;
const RETRY_PAUSE_MS = 500;
/** Another program took a port meanwhile, or a broker that was killed still holds the folder. */
const PASSING_FAILURE = /Address already in use|Failed to acquire lock/;

/**
 * Starts Apache Kafka (KRaft, one node) on a data folder and waits until it serves. It ends with this process, however that ends.
 * Throws SERVER_UNREACHABLE that says what is missing and how to get it, or the end of its log where it did not start.
 */
export async function startLocalBroker(options: LocalBrokerOptions): Promise<LocalBroker> {
  const { environment = process.env, port } = options;
  if (port !== undefined && !(await isPortFree(port))) throw portTaken(port);
  const java = await findJava(environment);
  const cacheDirectory = options.cacheDirectory ?? userCacheDirectory(environment);
  const jars = await resolveBrokerJars({ environment, cacheDirectory, log: options.log ?? (() => undefined) });
  const installation: Installation = {
    java,
    classPath: join(jars, '*'),
    options,
    folder: resolve(options.dataDirectory),
  };
  await mkdir(installation.folder, { recursive: true }).catch((error: unknown) => {
    throw fileError(installation.folder, error);
  });
  await rm(logFileOf(installation), { force: true });
  const first = await startOnFreePorts(installation);
  return manage(installation, first.port, first.running);
}

interface Installation {
  readonly java: string;
  readonly classPath: string;
  readonly options: LocalBrokerOptions;
  readonly folder: string;
}

function manage(installation: Installation, port: number, first: BrokerProcess): LocalBroker {
  let running = first;
  return {
    brokers: [`127.0.0.1:${port}`],
    origin: 'local',
    port,
    logFile: logFileOf(installation),
    get pid() {
      return running.pid;
    },
    get ended() {
      return running.ended;
    },
    stop: () => running.stop(),
    kill: () => running.kill(),
    async restart() {
      await running.stop();
      ({ running } = await startOnFreePorts(installation, port));
    },
  };
}

/** The port for clients stays what was asked for, if any was. */
async function startOnFreePorts(
  installation: Installation,
  fixedPort = installation.options.port,
): Promise<{ port: number; running: BrokerProcess }> {
  for (let attempt = 1; ; attempt++) {
    const [controllerPort, freePort] = await freePorts();
    const port = fixedPort ?? freePort;
    try {
      return { port, running: await start(installation, port, controllerPort) };
    } catch (error) {
      const mayPass = error instanceof CommandError && PASSING_FAILURE.test(error.message);
      if (!mayPass || attempt === START_ATTEMPTS) throw error;
      await delay(RETRY_PAUSE_MS);
    }
  }
}

async function start(installation: Installation, port: number, controllerPort: number): Promise<BrokerProcess> {
  const { java, classPath, options, folder } = installation;
  const logDirectory = join(folder, 'log');
  const properties = join(folder, 'server.properties');
  await writeFile(properties, brokerProperties({ port, controllerPort, logDirectory }, options.settings ?? {}));
  await format(installation, properties, logDirectory);
  const logFile = logFileOf(installation);
  const log = await followLog(logFile);
  const running = await startBrokerProcess({
    command: java,
    folder,
    arguments: [...JAVA_OPTIONS, ...LOG_OPTIONS, '-cp', classPath, 'kafka.Kafka', properties],
    logFile,
    temporaryFolder: options.isTemporary === true ? folder : undefined,
  });
  await untilReady(running, log);
  return running;
}

/** Gives a new data folder its cluster id. */
async function format(
  { java, classPath, options }: Installation,
  properties: string,
  logDirectory: string,
): Promise<void> {
  if (
    await access(join(logDirectory, 'meta.properties')).then(
      () => true,
      () => false,
    )
  )
    return;
  // A letter first: the tool would take a '-' for an option.
  const clusterId = `A${randomBytes(16).toString('base64url').slice(1)}`;
  const users = Object.entries(options.scramUsers ?? {}).flatMap(([name, password]) =>
    ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
      '--add-scram',
      `${mechanism}=[name=${name},password=${password}]`,
    ]),
  );
  const tool = ['-cp', classPath, 'kafka.tools.StorageTool', 'format', '--ignore-formatted', '-t', clusterId];
  try {
    await run(java, [...JAVA_OPTIONS, ...LOG_OPTIONS, ...tool, '-c', properties, ...users], { windowsHide: true });
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    throw new CommandError('SERVER_UNREACHABLE', `Kafka did not make its data folder:\n${complaintsOf(said)}`, {
      cause: error,
    });
  }
}

function logFileOf({ folder }: Installation): string {
  return join(folder, 'broker.log');
}

function portTaken(port: number): CommandError {
  return new CommandError('USAGE', `Port ${port} of 127.0.0.1 is in use; choose another one`);
}
