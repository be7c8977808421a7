import { mkdir } from 'node:fs/promises';
import { connectDatabase, type Database } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import { migrate } from '../../src/storage/migrate.js';
import { BackfillWriter } from './backfill-writer.js';
import { createEnvironments } from './environments.js';
import { ExpectedState } from './expected-state.js';
import type { Loop } from './loop.js';
import { installTriggers } from './named-points.js';
import { startProducer } from './producers.js';
import { createRandom } from './random.js';
import { createBaseSegments, startSegmentChurn } from './segment-churn.js';
import { Service } from './service.js';
import { Topic } from './topic.js';

/** A broker, and what can be done to it; nothing where it is not ours to kill. */
export interface ChaosBroker {
  readonly brokers: readonly string[];
  readonly faults: { kill(): Promise<void>; restart(): Promise<void> } | undefined;
}

/** An empty database, and how its server is killed, if that is ours to do: it comes back by itself. */
export interface ChaosDatabase {
  readonly url: string;
  readonly killServer: (() => Promise<void>) | undefined;
}

export interface WorldOptions {
  readonly seed: number;
  /** The compiled service. */
  readonly main: string;
  readonly broker: ChaosBroker;
  readonly database: ChaosDatabase;
  /** Messages a second, of all producers together. */
  readonly rate: number;
  /** For logs and what is found. */
  readonly folder: string;
  readonly say: (line: string) => void;
}

const PRODUCERS = 3;
const SERVICES = 3;

/** Everything that runs at once: broker and topic, database, services behind their proxies, and all who write. */
export interface World {
  readonly options: WorldOptions;
  readonly database: Database;
  readonly environments: readonly Environment[];
  readonly topic: Topic;
  /** The third runs only now and then. */
  readonly services: readonly Service[];
  readonly backfill: BackfillWriter;
  readonly expected: ExpectedState;
  /** What was wrong in the midst of a fault. */
  readonly found: string[];
  /** All who write. */
  readonly writers: readonly Loop[];
  close(): Promise<void>;
}

export async function createWorld(options: WorldOptions): Promise<World> {
  const { seed, main, broker, folder } = options;
  await mkdir(folder, { recursive: true });
  const { url } = options.database;
  const database = connectDatabase({
    url,
    maxConnections: 6,
    applicationName: 'chaos',
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 60_000,
  });
  await migrate(database);
  const environments = await createEnvironments(database);
  await createBaseSegments(database);
  await installTriggers(database);
  const topic = await Topic.create(broker.brokers, `chaos-${seed}-${Date.now()}`);
  const place = { main, databaseUrl: url, brokerPort: portOf(broker), topic: topic.name, group: topic.name, folder };
  const services = await Promise.all(
    Array.from({ length: SERVICES }, (_, number) =>
      Service.create(`service-${number + 1}`, { ...place, random: createRandom(seed, 400 + number) }),
    ),
  );
  await Promise.all(services.slice(0, 2).map((service) => service.start()));
  const backfill = new BackfillWriter(services, seed);
  const producers = Array.from({ length: PRODUCERS }, (_, number) =>
    startProducer(topic, seed, 10 * (number + 1), options.rate / PRODUCERS),
  );
  const writers = [...producers, backfill.loop, startSegmentChurn(database, seed)];
  return {
    options,
    database,
    environments,
    topic,
    services,
    backfill,
    expected: new ExpectedState(),
    found: [],
    writers,
    async close() {
      await Promise.all(writers.map((writer) => writer.stop()));
      await Promise.all(services.map((service) => service.close()));
      await topic.close();
      await database.close(1_000);
    },
  };
}

function portOf({ brokers }: ChaosBroker): number {
  const [first, ...others] = brokers;
  if (first === undefined || others.length > 0) throw new Error('the harness needs exactly one broker');
  return Number(first.split(':').at(-1));
}
