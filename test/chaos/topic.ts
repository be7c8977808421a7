import kafkajs from 'kafkajs';
import type { Admin, Consumer, Kafka, Producer } from 'kafkajs';
import { z } from 'zod';
import type { TopicMessage } from './expected-state.js';
import { INTENT_HEADER, type Intent, type OutgoingMessage } from './intent.js';

const PARTITIONS = 6;
const FOREVER = '-1';
const NEVER = '9223372036854775807';
const PATIENCE = { retries: 1_000, initialRetryTime: 100, maxRetryTime: 1_000 };

const intents: z.ZodType<Intent> = z.discriminatedUnion('kind', [
  z.object({
    kind: z.enum(['upsert', 'set_traits']),
    environment: z.string(),
    identifier: z.string(),
    id: z.number().exactOptional(),
    traits: z.record(z.string(), z.string().nullable()),
  }),
  z.object({
    kind: z.literal('delete'),
    environment: z.string(),
    identifier: z.string(),
    id: z.number().exactOptional(),
  }),
  z.object({
    kind: z.literal('garbage'),
    identity: z.object({ environment: z.string(), identifier: z.string() }).exactOptional(),
  }),
]);

/** The topic by clients of the harness's own, straight to the broker: what is in it decides what is right. */
export class Topic {
  readonly name: string;
  readonly #kafka: Kafka;
  readonly #admin: Admin;
  readonly #producer: Producer;
  readonly #consumer: Consumer;
  readonly #messages = new Map<number, TopicMessage[]>();

  private constructor(brokers: readonly string[], name: string) {
    this.name = name;
    this.#kafka = new kafkajs.Kafka({
      clientId: 'chaos',
      brokers: [...brokers],
      retry: PATIENCE,
      logLevel: kafkajs.logLevel.NOTHING,
    });
    this.#admin = this.#kafka.admin();
    this.#producer = this.#kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    this.#consumer = this.#kafka.consumer({ groupId: `${name}-oracle`, sessionTimeout: 10_000, maxWaitTimeInMs: 100 });
  }

  /** Creates the topic, whose messages may have any time and stay. */
  static async create(brokers: readonly string[], name: string): Promise<Topic> {
    const topic = new Topic(brokers, name);
    await topic.#admin.connect();
    const settings = {
      'retention.ms': FOREVER,
      'segment.ms': NEVER,
      'message.timestamp.before.max.ms': NEVER,
      'message.timestamp.after.max.ms': NEVER,
    };
    const configEntries = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
    await topic.#admin.createTopics({
      topics: [{ topic: name, numPartitions: PARTITIONS, configEntries }],
      waitForLeaders: true,
    });
    await topic.#producer.connect();
    await topic.#consumer.connect();
    await topic.#consumer.subscribe({ topics: [name], fromBeginning: true });
    await topic.#consumer.run({ eachMessage: ({ partition, message }) => topic.#note(partition, message) });
    return topic;
  }

  /** Sends messages in order, compressed or not; those of one partition stay in order. Sending again after a failure may put them there twice. */
  async send(messages: readonly OutgoingMessage[], isCompressed: boolean): Promise<void> {
    const compression = isCompressed ? kafkajs.CompressionTypes.GZIP : kafkajs.CompressionTypes.None;
    const copies = messages.map((message) => ({ ...message, headers: { ...message.headers } }));
    await this.#producer.send({ topic: this.name, acks: -1, compression, messages: copies });
  }

  /** One past the last message of each partition, as the broker says. */
  async ends(): Promise<ReadonlyMap<number, number>> {
    const offsets = await this.#admin.fetchTopicOffsets(this.name);
    return new Map(offsets.map(({ partition, high }) => [partition, Number(high)]));
  }

  /** The message at an offset; undefined where it has not come here yet. */
  at(partition: number, offset: number): TopicMessage | undefined {
    return this.#messages.get(partition)?.[offset];
  }

  /** Every message that has come here. */
  *all(): Generator<TopicMessage> {
    for (const messages of this.#messages.values()) yield* messages;
  }

  async close(): Promise<void> {
    await Promise.all([this.#producer.disconnect(), this.#consumer.disconnect()]);
    await this.#admin.deleteTopics({ topics: [this.name] }).catch(() => undefined);
    await this.#admin.disconnect();
  }

  #note(partition: number, { offset: offsetText, key, value, headers }: kafkajs.KafkaMessage): Promise<void> {
    const offset = Number(offsetText);
    const messages = this.#messages.get(partition) ?? [];
    this.#messages.set(partition, messages);
    if (offset < messages.length) return Promise.resolve();
    if (offset > messages.length) throw new Error(`the topic has a gap before ${partition}:${offset}`);
    const intent = intents.parse(JSON.parse(String(headers?.[INTENT_HEADER])));
    messages.push({ partition, offset, key, value, intent });
    return Promise.resolve();
  }
}
