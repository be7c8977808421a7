import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { IngestService } from '../../src/gen/rollcall/v1/ingest_service_pb.js';
import { MembershipService } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { connectGrpcClient, type GrpcClient } from '../helpers/grpc-client.js';
import { KafkaProxy } from './kafka-proxy.js';
import { PostgresProxy } from './postgres-proxy.js';
import type { Random } from './random.js';

/** The shortest that brokers allow by default. */
export const SESSION_TIMEOUT_MS = 6_000;
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;

/** Clients of one process. */
export interface ServiceClients {
  readonly ingest: GrpcClient<typeof IngestService>;
  readonly membership: GrpcClient<typeof MembershipService>;
}

export interface ServiceOptions {
  readonly main: string;
  readonly databaseUrl: string;
  readonly brokerPort: number;
  readonly topic: string;
  readonly group: string;
  /** For what its proxy makes of hints. */
  readonly random: Random;
  /** Where its log goes. */
  readonly folder: string;
}

/** Small batches, frequent folds, a short log: so that faults meet something under way. */
const SETTINGS = {
  ROLLCALL_LOG_LEVEL: 'debug',
  ROLLCALL_GRPC_PORT: '0',
  SEGMENT_MEMBERSHIP_ENABLED: 'true',
  ROLLCALL_HTTP_PORT: '0',
  ROLLCALL_KAFKA_BATCH_CHANGES: '150',
  ROLLCALL_FOLD_INTERVAL_MS: '300',
  ROLLCALL_FOLD_MAX_REVISIONS: '20',
  ROLLCALL_LOG_RETENTION_SECONDS: '2',
  ROLLCALL_POLL_INTERVAL_MS: '100',
  ROLLCALL_DATABASE_CONNECTIONS: '8',
  ROLLCALL_SHUTDOWN_GRACE_MS: '1000',
};

/** A slot for a process of the service: it is started and ended again and again, always behind the same proxies. */
export class Service {
  readonly name: string;
  readonly kafka: KafkaProxy;
  readonly postgres: PostgresProxy;
  readonly #options: ServiceOptions;
  #child: ChildProcess | undefined;
  #isToRun = false;
  #clients: ServiceClients | undefined;

  private constructor(name: string, options: ServiceOptions, kafka: KafkaProxy, postgres: PostgresProxy) {
    this.name = name;
    this.#options = options;
    this.kafka = kafka;
    this.postgres = postgres;
  }

  static async create(name: string, options: ServiceOptions): Promise<Service> {
    const { brokerPort, random } = options;
    const kafka = await KafkaProxy.start({ brokerPort, sessionTimeoutMs: SESSION_TIMEOUT_MS, random });
    return new Service(name, options, kafka, await PostgresProxy.start(options.databaseUrl));
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** What a process that was to run said at its end; undefined where none ended by itself. */
  get untimelyEnd(): string | undefined {
    if (!this.#isToRun || this.isRunning) return undefined;
    return `${this.name} ended by itself with ${this.#child?.exitCode ?? this.#child?.signalCode ?? 'nothing'}`;
  }

  /** Clients of the process that runs; undefined where none has begun to serve. */
  get clients(): ServiceClients | undefined {
    return this.isRunning ? this.#clients : undefined;
  }

  /** Starts it where it does not run and waits until it serves. False where it ended before, as when the database is away. */
  async start(): Promise<boolean> {
    if (this.isRunning) return true;
    const { main, topic, group, folder } = this.#options;
    const { DATABASE_URL: _url, ROLLCALL_SERVER: _server, ...rest } = process.env;
    const child = spawn(process.execPath, ['--enable-source-maps', main, 'serve', '--json'], {
      env: {
        ...rest,
        ...SETTINGS,
        DATABASE_URL: this.postgres.url,
        ROLLCALL_KAFKA_BROKERS: `127.0.0.1:${this.kafka.port}`,
        ROLLCALL_KAFKA_TOPICS: topic,
        ROLLCALL_KAFKA_GROUP: group,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#isToRun = true;
    child.stderr.pipe(createWriteStream(join(folder, `${this.name}.log`), { flags: 'a' }));
    const ended = once(child, 'exit').then(() => undefined);
    const lines = once(createInterface({ input: child.stdout }), 'line').then(([line]) => String(line));
    const line = await Promise.race([lines, ended, sleep(START_TIMEOUT_MS, undefined, { ref: false })]);
    if (line === undefined) return false;
    const { grpcAddress } = z.object({ grpcAddress: z.string() }).parse(JSON.parse(line));
    const port = Number(grpcAddress.split(':').at(-1));
    this.#clients = {
      ingest: connectGrpcClient(IngestService, port),
      membership: connectGrpcClient(MembershipService, port),
    };
    return true;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** Asks it to end. Fails where it does not. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async close(): Promise<void> {
    await this.kill();
    await Promise.all([this.kafka.close(), this.postgres.close()]);
  }

  #disconnect(): void {
    this.#clients?.ingest.close();
    this.#clients?.membership.close();
    this.#clients = undefined;
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#isToRun = false;
    this.#disconnect();
    if (child === undefined || !this.isRunning) return;
    const ended = once(child, 'exit').then(() => true);
    child.kill(signal);
    if (await Promise.race([ended, sleep(STOP_TIMEOUT_MS, false, { ref: false })])) return;
    child.kill('SIGKILL');
    throw new Error(`${this.name} did not end on ${signal}`);
  }
}
