import {
  createKafkaClient,
  explainKafkaError,
  type KafkaClient,
  type KafkaConnection,
  type Producer,
} from '../../indexing/kafka/kafka-client.js';
import { CommandError } from '../command-error.js';

/** A message to put on a topic. */
export interface OutgoingMessage {
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Below the 1 MiB that a broker takes of one partition at once by default, whatever partitions the messages go to. */
const BATCH_BYTES = 700 * 1024;
const BATCH_MESSAGES = 5_000;
/** What a record takes beside its key and value. */
const RECORD_BYTES = 70;
const ACKS_OF_ALL = -1;

/**
 * Puts the messages on an existing topic, in order and in batches, each taken by all replicas before the next is sent; `onBatch` is told how many a batch had. A
 * batch that was sent again after a lost answer may be there twice, in the same order. Throws USAGE where there is no such topic, SERVER_UNREACHABLE, BAD_INPUT
 * for a message that the broker finds too large.
 */
export async function writeTopic(
  connection: KafkaConnection,
  topic: string,
  messages: AsyncIterable<OutgoingMessage> | Iterable<OutgoingMessage>,
  onBatch: (messages: number) => void,
): Promise<void> {
  const client = createKafkaClient(connection);
  await expectTopic(client, connection, topic);
  const producer = client.producer();
  try {
    await atBrokers(connection, () => producer.connect());
    for await (const batch of batchesOf(messages)) {
      await sendBatch(producer, connection, topic, batch);
      onBatch(batch.length);
    }
  } finally {
    await producer.disconnect().catch(() => undefined);
  }
}

/** Batches of bounded size; a larger message goes alone. */
async function* batchesOf(
  messages: AsyncIterable<OutgoingMessage> | Iterable<OutgoingMessage>,
): AsyncGenerator<readonly OutgoingMessage[]> {
  let batch: OutgoingMessage[] = [];
  let total = 0;
  for await (const message of messages) {
    const bytes = sizeOf(message);
    if (batch.length > 0 && (batch.length === BATCH_MESSAGES || total + bytes > BATCH_BYTES)) {
      yield batch;
      batch = [];
      total = 0;
    }
    batch.push(message);
    total += bytes;
  }
  if (batch.length > 0) yield batch;
}

function sizeOf({ key, value }: OutgoingMessage): number {
  return Buffer.byteLength(key) + value.length + RECORD_BYTES;
}

async function expectTopic(client: KafkaClient, connection: KafkaConnection, topic: string): Promise<void> {
  const admin = client.admin();
  try {
    const topics = await atBrokers(connection, async () => {
      await admin.connect();
      return admin.listTopics();
    });
    if (topics.includes(topic)) return;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
  throw new CommandError('USAGE', `the brokers have no topic '${topic}': create it first`, { metadata: { topic } });
}

async function sendBatch(
  producer: Producer,
  connection: KafkaConnection,
  topic: string,
  batch: readonly OutgoingMessage[],
): Promise<void> {
  const messages = batch.map(({ key, value, headers }) => ({ key, value, headers: { ...headers } }));
  await atBrokers(connection, () => producer.send({ topic, acks: ACKS_OF_ALL, messages }), batch);
}

/** Runs what talks to the brokers; its faults become those of the command line. */
async function atBrokers<Result>(
  { brokers }: KafkaConnection,
  work: () => Promise<Result>,
  batch: readonly OutgoingMessage[] = [],
): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    const said = explainKafkaError(cause);
    if (typeOf(cause) === 'MESSAGE_TOO_LARGE') {
      const key = batch.toSorted((a, b) => sizeOf(b) - sizeOf(a))[0]?.key ?? '';
      throw new CommandError('BAD_INPUT', `the broker takes no message as large as that of ${key.slice(0, 100)}`, {
        cause,
      });
    }
    const metadata = { brokers: brokers.join(',') };
    throw new CommandError('SERVER_UNREACHABLE', `the Kafka brokers at ${metadata.brokers} cannot be used: ${said}`, {
      metadata,
      cause,
    });
  }
}

/** The protocol's name of an error, also of one that was retried. */
function typeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  if ('type' in error && typeof error.type === 'string') return error.type;
  return error.cause === undefined ? '' : typeOf(error.cause);
}
