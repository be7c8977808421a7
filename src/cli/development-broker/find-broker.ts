import { mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError } from '../command-error.js';
import type { Broker } from './broker.js';
import { startContainerBroker } from './container-broker.js';
import { startLocalBroker } from './local-broker.js';
import type { LocalBrokerOptions } from './local-broker.js';

export type FindBrokerOptions = Pick<LocalBrokerOptions, 'environment' | 'cacheDirectory' | 'log'>;

/**
 * A broker with what this machine has, the first of: KAFKA_BROKERS, used as it is; a container, where an engine answers; Apache
 * Kafka's jars on the local Java, with data of its own that `stop` removes. Throws SERVER_UNREACHABLE that says in one line what is missing of each.
 */
export async function findBroker(options: FindBrokerOptions = {}): Promise<Broker> {
  const environment = options.environment ?? process.env;
  const given = givenBrokers(environment);
  if (given.length > 0) return { brokers: given, origin: 'environment', stop: () => Promise.resolve() };
  let whyNoContainer = 'no container engine answers';
  try {
    const container = await startContainerBroker();
    if (container !== undefined) return container;
  } catch (error) {
    whyNoContainer = `the container did not start: ${messageOf(error)}`;
  }
  try {
    return await startTemporaryBroker(options);
  } catch (error) {
    throw new CommandError(
      'SERVER_UNREACHABLE',
      `No Kafka broker can be had: KAFKA_BROKERS (host:port,…) is not set; ${whyNoContainer}; ${messageOf(error)}`,
      { cause: error },
    );
  }
}

async function startTemporaryBroker(options: FindBrokerOptions): Promise<Broker> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'rollcall-kafka-'));
  try {
    const broker = await startLocalBroker({ ...options, dataDirectory, isTemporary: true });
    return {
      brokers: broker.brokers,
      origin: broker.origin,
      async stop() {
        await broker.stop();
        await rm(dataDirectory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rmdirIfEmpty(dataDirectory);
    throw error;
  }
}

/** A broker that did not start leaves its log. */
async function rmdirIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch(() => undefined);
}

function givenBrokers(environment: NodeJS.ProcessEnv): string[] {
  const names = (environment['KAFKA_BROKERS'] ?? '').split(',').map((name) => name.trim());
  return names.filter((name) => name !== '');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
