import type { Broker } from './broker.js';

/** Confluent's build of Apache Kafka, which Testcontainers knows how to run as one KRaft node. */
const IMAGE = 'confluentinc/cp-kafka:8.0.2';
const CLIENT_PORT = 9093;
const ENVIRONMENT = {
  KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
  KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
  KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '1000',
  KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
  KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
};

/** Starts a broker in a container, which ends with this process. Undefined where no container engine answers; throws where one does but cannot run it. */
export async function startContainerBroker(): Promise<Broker | undefined> {
  if (!(await isEngineThere())) return undefined;
  const { KafkaContainer } = await import('@testcontainers/kafka');
  const container = await new KafkaContainer(IMAGE).withKraft().withEnvironment(ENVIRONMENT).start();
  return {
    brokers: [`${container.getHost()}:${container.getMappedPort(CLIENT_PORT)}`],
    origin: 'testcontainers',
    async stop() {
      await container.stop();
    },
  };
}

/** It is a development package: an installation for production has none. */
async function isEngineThere(): Promise<boolean> {
  try {
    const { getContainerRuntimeClient } = await import('testcontainers');
    await getContainerRuntimeClient();
    return true;
  } catch {
    return false;
  }
}
