import { inject, test, TestRunner } from 'vitest';

/** Runs test files that need a broker. Where there is none no file is even read, and each is reported as skipped. */
// eslint-disable-next-line import-x/no-default-export -- Vitest asks for it
export default class KafkaRunner extends TestRunner {
  override importFile(...[path, source]: Parameters<TestRunner['importFile']>): unknown {
    if (source === 'setup' || inject('kafkaBrokers').length > 0) return super.importFile(path, source);
    test.skip('needs a Kafka broker, and there is none', () => undefined);
    return undefined;
  }
}
