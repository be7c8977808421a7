import type { Applier } from '../indexing/applier.js';
import type { KafkaFeed } from '../indexing/kafka/consumer.js';
import type { FeedOptions } from '../indexing/kafka/feed-options.js';
import type { AppliedBatch } from '../indexing/kafka/feed-status.js';
import type { Database } from '../storage/database.js';
import type { Logger } from './logger.js';
import type { Options } from './options.js';

/**
 * The feed that the options ask for, not running yet; undefined without brokers: then the client of Kafka is not even loaded. Throws INVALID_REQUEST where
 * the options cannot be used.
 */
export async function createKafkaFeed(
  database: Database,
  applier: Applier,
  options: Options,
  { logger, onApplied }: { readonly logger: Logger; readonly onApplied: (batch: AppliedBatch) => void },
): Promise<KafkaFeed | undefined> {
  const feedOptions = readFeedOptions(options);
  if (feedOptions === undefined) return undefined;
  const { KafkaFeed } = await import('../indexing/kafka/consumer.js');
  return new KafkaFeed(database, applier, {
    ...feedOptions,
    onApplied,
    log(level, fields, message) {
      logger[level](fields, message);
    },
  });
}

function readFeedOptions(options: Options): Omit<FeedOptions, 'log' | 'onApplied'> | undefined {
  const connection = kafkaConnection(options);
  if (connection === undefined) return undefined;
  return {
    connection,
    topics: options.kafkaTopics,
    group: options.kafkaGroup,
    start: options.kafkaStart,
    outOfRange: options.kafkaOutOfRange,
    maxBytes: options.kafkaMaxBytes,
    batchChanges: options.kafkaBatchChanges,
    partitionsAtOnce: options.kafkaPartitionsAtOnce,
    deadLetterTopic: options.kafkaDeadLetterTopic,
  };
}

/** How the options reach the brokers; undefined without brokers. */
export function kafkaConnection(options: Options): FeedOptions['connection'] | undefined {
  if (options.kafkaBrokers === undefined) return undefined;
  return {
    brokers: options.kafkaBrokers,
    tls: options.kafkaTls,
    tlsCaFile: options.kafkaTlsCaFile,
    sasl: readSasl(options),
  };
}

function readSasl({ kafkaSaslMechanism, kafkaSaslUsername, kafkaSaslPassword }: Options) {
  if (kafkaSaslMechanism === undefined || kafkaSaslUsername === undefined || kafkaSaslPassword === undefined)
    return undefined;
  return { mechanism: kafkaSaslMechanism, username: kafkaSaslUsername, password: kafkaSaslPassword };
}
