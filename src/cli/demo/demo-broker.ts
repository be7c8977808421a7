import { randomUUID } from 'node:crypto';
import { createKafkaClient, type KafkaConnection } from '../../indexing/kafka/kafka-client.js';
import type { Broker } from '../development-broker/broker.js';
import { findBroker } from '../development-broker/find-broker.js';
import type { CommandContext } from '../context.js';
import { remark } from '../progress.js';

/** A topic of the demo's own on a real broker. */
export interface DemoTopic {
  readonly connection: KafkaConnection;
  readonly topic: string;
  readonly origin: Broker['origin'];
  /** What makes a server read it. */
  readonly env: Readonly<Record<string, string>>;
  /** Removes the topic and ends what was started. */
  close(): Promise<void>;
}

const PARTITIONS = 6;

/** Finds a broker and makes a topic there. Throws SERVER_UNREACHABLE that says what is missing where none can be had. */
export async function openDemoTopic(context: CommandContext): Promise<DemoTopic> {
  const broker = await findBroker({ environment: { ...context.env }, log: (line) => void remark(context, line) });
  const topic = `rollcall-demo-${randomUUID()}`;
  const { brokers, origin } = broker;
  const connection = { brokers, tls: false, tlsCaFile: undefined, sasl: undefined, onLog: () => undefined };
  const admin = createKafkaClient(connection).admin();
  try {
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }] });
  } catch (error) {
    await broker.stop();
    throw error;
  }
  return {
    connection,
    topic,
    origin,
    env: { ROLLCALL_KAFKA_BROKERS: brokers.join(','), ROLLCALL_KAFKA_TOPICS: topic, ROLLCALL_KAFKA_GROUP: topic },
    async close() {
      await admin.deleteTopics({ topics: [topic] }).catch(() => undefined);
      await admin.disconnect();
      await broker.stop();
    },
  };
}
