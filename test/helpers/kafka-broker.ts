import type { TestProject } from 'vitest/node';
import { findBroker } from '../../src/cli/development-broker/find-broker.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The broker of the whole run, as `host:port`; empty where none can be had, and then no test that needs one is run. */
    kafkaBrokers: readonly string[];
  }
}

/** Before the first test that needs it: a broker. Where none can be had the suites are left out, which is said, or with CI=true an error. */
export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  try {
    const broker = await findBroker({ log: (line) => console.error(line) });
    project.provide('kafkaBrokers', broker.brokers);
    return () => broker.stop();
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    project.provide('kafkaBrokers', []);
    const why = error instanceof Error ? error.message : String(error);
    console.error(`The Kafka suites are left out. ${why.replace(/\s*\n\s*/g, ' | ')}`);
    return undefined;
  }
}
