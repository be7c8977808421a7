import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import { createKafkaClient } from '../../indexing/kafka/kafka-client.js';
import { lockFolder } from '../../storage/embedded/embedded-postgres-lock.js';
import { wholeNumber } from '../base-commands.js';
import { CommandError } from '../command-error.js';
import { redOnError } from '../style.js';
import { KAFKA_VERSION } from './broker-jars.js';
import { startLocalBroker } from './local-broker.js';

/** `npm run kafka`: a broker for development that runs until Ctrl-C and keeps its data. */
const DEFAULT_PORT = 9_092;
const TOPIC = 'rollcall.identity-changes';
const PARTITIONS = 6;

async function runBroker(port: number, dataDirectory: string, stopAsked: Promise<void>): Promise<void> {
  const folder = resolve(dataDirectory);
  await mkdir(folder, { recursive: true });
  const lock = await lockFolder(folder);
  try {
    const broker = await startLocalBroker({ dataDirectory: folder, port, log: (line) => console.error(line) });
    try {
      await createTopic(broker.brokers);
      console.log(welcome(broker.brokers.join(','), folder));
      const ended = await Promise.race([stopAsked, broker.ended]);
      if (ended !== undefined) throw endedByItself(ended, broker.logFile);
    } finally {
      await broker.stop();
    }
  } finally {
    await lock.release();
  }
}

/** No topic is made by using it, so that of the consumer is made here. */
async function createTopic(brokers: readonly string[]): Promise<void> {
  const connection = { brokers, tls: false, tlsCaFile: undefined, sasl: undefined, onLog: () => undefined };
  const admin = createKafkaClient(connection).admin();
  await admin.connect();
  try {
    await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }] });
  } finally {
    await admin.disconnect();
  }
}

function welcome(brokers: string, folder: string): string {
  return `Apache Kafka ${KAFKA_VERSION} serves on ${brokers}, with the topic ${TOPIC}. Its data is in ${folder}.

Point Rollcall at it:       ROLLCALL_KAFKA_BROKERS=${brokers} npm start
Put changes on the topic:   npx rollcall produce people.csv --brokers ${brokers}

Ctrl-C ends it.`;
}

function endedByItself(how: string, logFile: string): CommandError {
  return new CommandError('SERVER_UNREACHABLE', `Kafka ended ${how}; its log is ${logFile}`);
}

const stopAsked = new Promise<void>((resolveAsked) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolveAsked());
});

try {
  await new Command('kafka')
    .description('run Apache Kafka for development on the local Java')
    .argument('[port]', 'of 127.0.0.1, as in `npm run kafka -- 9192`', wholeNumber(1), DEFAULT_PORT)
    .option('--data-directory <path>', 'where its data is', '.rollcall-kafka')
    .action((port, options) => runBroker(port, options.dataDirectory, stopAsked))
    .parseAsync();
} catch (error) {
  console.error(`${redOnError('error:')} ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
