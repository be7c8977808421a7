import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBroker } from '../../src/cli/development-broker/find-broker.js';
import { startLocalBroker } from '../../src/cli/development-broker/local-broker.js';
import type { ChaosBroker } from './world.js';

/** A broker for one run. */
export interface RunBroker extends ChaosBroker {
  stop(): Promise<void>;
}

/** A broker of our own on the local Java, to be killed and restarted; where there is none, or KAFKA_BROKERS names one, another that nobody kills. */
export async function startChaosBroker(say: (line: string) => void): Promise<RunBroker> {
  const isGiven = (process.env['KAFKA_BROKERS'] ?? '') !== '';
  const own = isGiven ? undefined : await startOwnBroker(say).catch((error: unknown) => say(String(error)));
  return own ?? { ...(await findBroker({ log: say })), faults: undefined };
}

async function startOwnBroker(say: (line: string) => void): Promise<RunBroker> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'rollcall-chaos-kafka-'));
  const broker = await startLocalBroker({ dataDirectory, isTemporary: true, log: say });
  return {
    brokers: broker.brokers,
    faults: broker,
    async stop() {
      await broker.stop();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}
