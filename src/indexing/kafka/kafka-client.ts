import { readFileSync } from 'node:fs';
import kafkajs from 'kafkajs';
import type { Admin, Consumer, EachBatchPayload, KafkaConfig, Producer, SASLOptions } from 'kafkajs';
import { RollcallError } from '../../core/errors.js';
import { lz4Codec, snappyCodec, zstdCodec } from './codecs.js';

export type { Admin, Consumer, EachBatchPayload, Producer };

/** How brokers are reached. */
export interface KafkaConnection {
  /** As `host:port`. */
  readonly brokers: readonly string[];
  readonly tls: boolean;
  /** The certificates to trust instead of the system's, as a PEM file. */
  readonly tlsCaFile: string | undefined;
  readonly sasl: KafkaSasl | undefined;
  /** Told of what the client logs, which is for those who look for a fault. */
  readonly onLog: (entry: { readonly level: string; readonly message: string; readonly context: object }) => void;
}

export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** How a member of a consumer group fetches. */
export interface GroupConsumerOptions {
  readonly group: string;
  readonly maxBytesPerPartition: number;
  /** Longest wait of a fetch for messages, in milliseconds. */
  readonly maxWaitMs: number;
}

/** A fetched batch of one partition with the offset that was asked for, which the client's own types leave out. */
export interface FetchedBatch {
  readonly fetchedOffset: number;
  readonly highWatermark: number;
  /** The last offset that was looked at: control records and what compaction took away count. */
  readonly lastOffset: number;
}

const { CompressionCodecs, CompressionTypes, Kafka, logLevel, Partitioners } = kafkajs;

const CLIENT_ID = 'rollcall';
const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** After so long without a heartbeat a process is taken for dead and its partitions go to others. */
const SESSION_TIMEOUT_MS = 8_000;
const HEARTBEAT_INTERVAL_MS = 2_000;
/** How long a rebalance waits for the transactions under way. */
const REBALANCE_TIMEOUT_MS = 60_000;
/** How soon partitions that were added to a topic are noticed. */
const METADATA_MAX_AGE_MS = 10_000;
const PARTITIONS_PER_FETCH = 8;
/** Few: whoever uses the client begins again by itself, and says why. */
const RETRY = { retries: 3, initialRetryTime: 200, maxRetryTime: 2_000 };

/** Makes what talks to the brokers; each is to be connected and disconnected. */
export interface KafkaClient {
  /** A member of a consumer group, whose offsets are ours to say. It is not started again by itself when it fails. */
  consumer(options: GroupConsumerOptions): Consumer;
  admin(): Admin;
  /** Chooses partitions by the key as Java's producers do. */
  producer(): Producer;
}

/** Connects to nothing yet. Throws INVALID_REQUEST where the CA file cannot be read. */
export function createKafkaClient(connection: KafkaConnection): KafkaClient {
  registerCodecs();
  const kafka = new Kafka(configOf(connection));
  return {
    consumer: ({ group, maxBytesPerPartition, maxWaitMs }) =>
      kafka.consumer({
        groupId: group,
        maxBytesPerPartition,
        maxBytes: maxBytesPerPartition * PARTITIONS_PER_FETCH,
        maxWaitTimeInMs: maxWaitMs,
        sessionTimeout: SESSION_TIMEOUT_MS,
        heartbeatInterval: HEARTBEAT_INTERVAL_MS,
        rebalanceTimeout: REBALANCE_TIMEOUT_MS,
        metadataMaxAge: METADATA_MAX_AGE_MS,
        allowAutoTopicCreation: false,
        retry: { ...RETRY, restartOnFailure: () => Promise.resolve(false) },
      }),
    admin: () => kafka.admin({ retry: RETRY }),
    producer: () =>
      kafka.producer({
        createPartitioner: Partitioners.DefaultPartitioner,
        allowAutoTopicCreation: false,
        metadataMaxAge: METADATA_MAX_AGE_MS,
        retry: { ...RETRY, retries: 8 },
      }),
  };
}

/** What the client says of a batch. */
export function fetchedBatch({ batch }: EachBatchPayload): FetchedBatch {
  const fetchedOffset = 'fetchedOffset' in batch ? Number(batch.fetchedOffset) : NaN;
  if (!Number.isSafeInteger(fetchedOffset))
    throw new RollcallError('INTERNAL', 'the Kafka client does not say from which offset it fetched');
  return { fetchedOffset, highWatermark: Number(batch.highWatermark), lastOffset: Number(batch.lastOffset()) };
}

/** In a few words, for operators: what the client's error says, without its stack. */
export function explainKafkaError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message;
}

function configOf({ brokers, tls, tlsCaFile, sasl, onLog }: KafkaConnection): KafkaConfig {
  return {
    clientId: CLIENT_ID,
    brokers: [...brokers],
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: RETRY,
    logLevel: logLevel.INFO,
    logCreator:
      () =>
      ({ label, log: { message, ...context } }) => {
        onLog({ level: label.toLowerCase(), message, context });
      },
    ...(tls ? { ssl: tlsCaFile === undefined ? true : { ca: [readCaFile(tlsCaFile)] } } : {}),
    ...(sasl === undefined ? {} : { sasl: saslOptions(sasl) }),
  };
}

function saslOptions({ mechanism, username, password }: KafkaSasl): SASLOptions {
  switch (mechanism) {
    case 'plain':
      return { mechanism, username, password };
    case 'scram-sha-256':
      return { mechanism, username, password };
    case 'scram-sha-512':
      return { mechanism, username, password };
  }
}

function readCaFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new RollcallError('INVALID_REQUEST', `the CA file '${path}' cannot be read`, { cause: error });
  }
}

/** The client brings gzip only. */
function registerCodecs(): void {
  CompressionCodecs[CompressionTypes.Snappy] = () => snappyCodec;
  CompressionCodecs[CompressionTypes.LZ4] = () => lz4Codec;
  CompressionCodecs[CompressionTypes.ZSTD] = () => zstdCodec;
}
