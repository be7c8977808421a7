import { z } from 'zod';
import { list, oneOf, onOrOff, size, text, wholeNumber } from './option-values.js';
import type { OptionValue, ValueKind } from './option-values.js';

/** What is said of an option beside the type of its value. */
export interface OptionDetails {
  readonly kind: ValueKind;
  /** As a user would write it; none where leaving it out has a meaning of its own. */
  readonly default: string | undefined;
  readonly description: string;
}

/** The details of each of `OPTIONS`, by its schema. */
export const DETAILS = z.registry<OptionDetails>();

function option<Output>(value: OptionValue<Output>, standard: string, description: string) {
  return value.schema.register(DETAILS, { kind: value.kind, default: standard, description });
}

function optional<Output>(value: OptionValue<Output>, description: string) {
  return value.schema.optional().register(DETAILS, { kind: value.kind, default: undefined, description });
}

/** What Kafka allows as the name of a topic. */
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/;

/**
 * Every option there is, in the order of the README's table: how its text is read, its default, what it is for. Names
 * of flags and environment variables follow from the option's name.
 */
export const OPTIONS = z.object({
  databaseUrl: optional(
    text('URL', /^postgres(ql)?:\/\/\S+$/, 'must be a postgres:// URL'),
    'The PostgreSQL (14 or newer) that holds everything; without it the service runs its own in the data directory',
  ),
  dataDirectory: option(
    text('path'),
    '.rollcall',
    'Where the embedded PostgreSQL keeps its data; unused with a database URL',
  ),
  host: option(text('host', /^[^\s/]+$/, 'must be a host name or address'), '127.0.0.1', 'Address to listen on'),
  grpcPort: option(wholeNumber('port', 0), '50051', 'Port of gRPC; 0 takes any free one'),
  httpPort: option(
    wholeNumber('port', 0),
    '8080',
    'Port of Connect, gRPC-Web, JSON and the health pages; 0 takes any free one',
  ),
  insecure: option(
    onOrOff(),
    'false',
    'Serve without authentication and encryption on a host that other machines reach',
  ),
  logLevel: option(
    oneOf('level', ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    'info',
    'Least severe log lines to write',
  ),
  processes: option(
    wholeNumber('number', 1, 256),
    '1',
    'Processes that share the ports, to use several cores; each has its own caches, connections and streams of a caller',
  ),
  databaseConnections: option(wholeNumber('number', 2, 1_000), '10', 'Most connections to the database'),
  chunkCacheMaxBytes: option(size(2 ** 20), '512MiB', 'Memory for chunks of atoms'),
  composedCacheMaxBytes: option(size(0), '256MiB', 'Memory for composed results of segments'),
  logRetentionSeconds: option(
    wholeNumber('seconds', 0),
    '600',
    'How long folded log rows stay, for readers that lag and cursors that resume',
  ),
  foldMaxRevisions: option(wholeNumber('number', 1), '500', 'Fold after this many revisions'),
  foldMaxBytes: option(size(1), '16MiB', 'Fold after this much log'),
  foldIntervalMs: option(wholeNumber('milliseconds', 10), '5000', 'Fold what there is after this long'),
  pollIntervalMs: option(
    wholeNumber('milliseconds', 1),
    '200',
    'How often to look for revisions of other processes, beside their notifications',
  ),
  maxStalenessMs: option(
    wholeNumber('milliseconds', 0),
    '300000',
    'How long reads go on from memory while the database is away',
  ),
  maxBatchChanges: option(
    wholeNumber('number', 1, 1_000_000),
    '10000',
    'Most changes in one batch, and so in one transaction',
  ),
  maxStreamsPerCaller: option(wholeNumber('number', 1), '16', 'Most open streams of one caller'),
  streamProgressTimeoutMs: option(
    wholeNumber('milliseconds', 1_000),
    '300000',
    'End a stream whose caller reads nothing for this long',
  ),
  draftExpirySeconds: option(
    wholeNumber('seconds', 1),
    '600',
    'Drop the atoms of a draft this long after their last use',
  ),
  atomGraceSeconds: option(
    wholeNumber('seconds', 0),
    '86400',
    'Drop the atoms that no segment needs any more after this long, those of percentage splits after 55 minutes at most',
  ),
  maxBuildsPerOrganisation: option(
    wholeNumber('number', 1),
    '4',
    'Most drafts of one organisation that wait for their atoms at once',
  ),
  buildRangeChunks: option(
    wholeNumber('number', 1, 8),
    '1',
    'Chunks (65,536 ordinals each) that a build scans in one snapshot; more where few of them are in use',
  ),
  kafkaBrokers: optional(
    list(/^[^\s:/]+:\d+$|^\[[0-9a-fA-F:]+\]:\d+$/, 'must be host:port, several separated by commas'),
    'Kafka brokers to begin with, as host:port; without them nothing is read from Kafka',
  ),
  kafkaTopics: option(
    list(TOPIC, 'must be names of topics, separated by commas'),
    'rollcall.identity-changes',
    'Topics of change events, separated by commas',
  ),
  kafkaGroup: option(text('text'), 'rollcall', 'Consumer group; processes of one group share the partitions'),
  kafkaTls: option(onOrOff(), 'false', 'Reach the brokers by TLS'),
  kafkaTlsCaFile: optional(text('path'), "Certificates (PEM) to trust for the brokers instead of the system's"),
  kafkaSaslMechanism: optional(
    oneOf('word', ['plain', 'scram-sha-256', 'scram-sha-512']),
    'How to log in to the brokers: plain, scram-sha-256 or scram-sha-512; without it there is no login',
  ),
  kafkaSaslUsername: optional(text('text'), 'User name at the brokers'),
  kafkaSaslPassword: optional(text('text'), 'Password at the brokers; better as a variable than as a flag'),
  kafkaStart: option(
    oneOf('word', ['earliest', 'latest']),
    'earliest',
    'Where to begin with a topic that was never read: earliest or latest',
  ),
  kafkaOutOfRange: option(
    oneOf('word', ['stop', 'earliest', 'latest']),
    'stop',
    'What to do with a partition whose next message the broker does not have: stop it with a reason, or go on at the earliest or latest',
  ),
  kafkaMaxBytes: option(size(1024), '1MiB', 'Bytes of one partition in one fetch, before unpacking'),
  kafkaBatchChanges: option(wholeNumber('number', 1, 1_000_000), '5000', 'Most messages of Kafka in one transaction'),
  kafkaPartitionsAtOnce: option(wholeNumber('number', 1, 100), '3', 'Partitions that are applied at the same time'),
  kafkaDeadLetterTopic: optional(
    text('text', TOPIC, 'must be the name of a topic'),
    'Topic that messages which could not be applied are sent to, beside the database',
  ),
  deadLetterRetentionSeconds: option(
    wholeNumber('seconds', 0, Number.MAX_SAFE_INTEGER),
    '2592000',
    'How long messages that could not be applied are kept',
  ),
  auditRetentionSeconds: option(
    wholeNumber('seconds', 0, Number.MAX_SAFE_INTEGER),
    '0',
    'How long entries of the audit trail are kept; 0 for ever',
  ),
  flagsmithDatabaseUrl: optional(
    text('URL', /^postgres(ql)?:\/\/\S+$/, 'must be a postgres:// URL'),
    "Flagsmith's own PostgreSQL, which is only read: the source of environments that name it, and what `rollcall adopt flagsmith` reads",
  ),
  dynamodbTable: option(
    text('text', /^[A-Za-z0-9._-]{3,255}$/, 'must be the name of a table'),
    'flagsmith_identities',
    'Table of Flagsmith Edge in DynamoDB: the source of environments that name it',
  ),
  dynamodbRegion: optional(
    text('text', /^[a-z0-9-]{1,64}$/, 'must be the name of a region'),
    'Region of DynamoDB; without it and an endpoint there is no such source',
  ),
  dynamodbEndpoint: optional(
    text('URL', /^https?:\/\/\S+$/, 'must be an http:// or https:// URL'),
    'Address of DynamoDB, or of a server like it, where it is not that of the region',
  ),
  dynamodbReadUnitsPerSecond: option(
    wholeNumber('number', 0),
    '0',
    'Read capacity that each backfill from DynamoDB may use, in units a second; 0 for no limit',
  ),
  dynamodbScanSegments: option(
    wholeNumber('number', 0, 64),
    '0',
    'Load by a parallel Scan of the whole table in so many segments, of which an environment takes its own, rather than by its index; 0 for the index',
  ),
  backfillIdentitiesPerSecond: option(
    wholeNumber('number', 0, 2 ** 31 - 1),
    '0',
    'Identities a second that each backfill loads at most; 0 for no limit',
  ),
  backfillsAtOnce: option(
    wholeNumber('number', 0, 100),
    '2',
    'Backfills that one process runs at the same time; 0 leaves them to other processes',
  ),
  refreshIntervalSeconds: option(
    wholeNumber('seconds', 0),
    '0',
    'Load each environment that has a source again this long after its last complete backfill began; 0 for never',
  ),
  refreshCooldownSeconds: option(
    wholeNumber('seconds', 0),
    '60',
    'Refuse a refresh for this long after the last backfill began, and after it ended',
  ),
  segmentMembershipEnabled: option(
    onOrOff(),
    'false',
    'Serve segment membership: off, nothing is consumed, written or answered; on by default with NODE_ENV=development, in the demo and in servers that commands start',
  ),
  flagProvider: option(
    oneOf('word', ['memory', 'flagd', 'flagsmith']),
    'memory',
    'Where the flag `segment_membership_index` of each organisation comes from: memory (`membershipOrganisations`), flagd or flagsmith',
  ),
  membershipOrganisations: option(
    list(/^\S(.*\S)?$/, 'must be keys of organisations, separated by commas, or *'),
    '*',
    'Organisations whose flag is on where the provider is memory; * for all',
  ),
  flagdHost: option(text('host', /^[^\s/]+$/, 'must be a host name or address'), 'localhost', 'Host of flagd'),
  flagdPort: option(wholeNumber('port', 1), '8015', "Port of flagd's sync service"),
  flagdTls: option(onOrOff(), 'false', 'Reach flagd by TLS'),
  flagsmithFlagsKey: optional(
    text('text', /^ser\./, 'must be a server-side environment key, which begins with ser.'),
    'Key of the Flagsmith environment whose flags say which organisations are on; better as a variable than as a flag',
  ),
  flagsmithFlagsUrl: optional(
    text('URL', /^https?:\/\/\S+\/$/, 'must be an http:// or https:// URL that ends with a slash'),
    'API of that Flagsmith, such as https://flagsmith.example.org/api/v1/, where it is not the hosted one',
  ),
  membershipDenylist: optional(
    list(/^\S(.*\S)?$/, 'must be keys of organisations, separated by commas'),
    'Organisations that are kept off whatever the flag says',
  ),
  membershipDenylistFile: optional(
    text('path'),
    'File of more of them, one key a line, which is read again at each look',
  ),
  whenOff: option(
    oneOf('word', ['keep', 'purge']),
    'keep',
    'What becomes of the index of an organisation that is switched off, where the organisation does not say: keep or purge',
  ),
  gateIntervalMs: option(
    wholeNumber('milliseconds', 0),
    '1000',
    'How often to look at the gates of all organisations, beside changes that the flag provider tells of; 0 leaves them as they are',
  ),
  shutdownGraceMs: option(
    wholeNumber('milliseconds', 0),
    '10000',
    'How long open calls may go on after a signal to stop',
  ),
});
