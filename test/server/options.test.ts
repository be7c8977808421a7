import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { RollcallError } from '../../src/core/errors.js';
import { loadOptions, optionFlags, optionsTable } from '../../src/server/options.js';
import type { OptionSources } from '../../src/server/options.js';

const load = (input: Partial<OptionSources>) => loadOptions({ env: {}, flags: {}, ...input });

function problemsOf(input: Partial<OptionSources>): string[] {
  try {
    load(input);
  } catch (error) {
    if (error instanceof RollcallError && error.reason === 'INVALID_REQUEST') {
      return error.message
        .split('\n')
        .slice(1)
        .map((line) => line.trim());
    }
    throw error;
  }
  return [];
}

describe('the configuration', () => {
  test('has a default for everything but the database', () => {
    expect(load({})).toEqual({
      dataDirectory: '.rollcall',
      host: '127.0.0.1',
      grpcPort: 50_051,
      httpPort: 8_080,
      insecure: false,
      logLevel: 'info',
      databaseConnections: 10,
      chunkCacheMaxBytes: 512 * 2 ** 20,
      composedCacheMaxBytes: 256 * 2 ** 20,
      logRetentionSeconds: 600,
      foldMaxRevisions: 500,
      foldMaxBytes: 16 * 2 ** 20,
      foldIntervalMs: 5_000,
      pollIntervalMs: 200,
      maxStalenessMs: 300_000,
      maxBatchChanges: 10_000,
      maxStreamsPerCaller: 16,
      streamProgressTimeoutMs: 300_000,
      draftExpirySeconds: 600,
      atomGraceSeconds: 86_400,
      maxBuildsPerOrganisation: 4,
      buildRangeChunks: 1,
      kafkaTopics: ['rollcall.identity-changes'],
      kafkaGroup: 'rollcall',
      kafkaTls: false,
      kafkaStart: 'earliest',
      kafkaOutOfRange: 'stop',
      kafkaMaxBytes: 2 ** 20,
      kafkaBatchChanges: 5_000,
      kafkaPartitionsAtOnce: 3,
      deadLetterRetentionSeconds: 2_592_000,
      auditRetentionSeconds: 0,
      dynamodbTable: 'flagsmith_identities',
      dynamodbReadUnitsPerSecond: 0,
      dynamodbScanSegments: 0,
      backfillIdentitiesPerSecond: 0,
      backfillsAtOnce: 2,
      refreshIntervalSeconds: 0,
      refreshCooldownSeconds: 60,
      segmentMembershipEnabled: false,
      flagProvider: 'memory',
      membershipOrganisations: ['*'],
      flagdHost: 'localhost',
      flagdPort: 8_015,
      flagdTls: false,
      whenOff: 'keep',
      gateIntervalMs: 1_000,
      shutdownGraceMs: 10_000,
      processes: 1,
    });
  });

  test('is frozen', () => {
    expect(Object.isFrozen(load({}))).toBe(true);
  });

  test('takes a flag before the environment and the environment before the default', () => {
    const env = { ROLLCALL_GRPC_PORT: '1000', ROLLCALL_HTTP_PORT: '2000', DATABASE_URL: 'postgres://localhost/one' };
    const options = load({ env, flags: { grpcPort: '3000' } });
    expect(options).toMatchObject({ grpcPort: 3_000, httpPort: 2_000, databaseUrl: 'postgres://localhost/one' });
  });

  test('counts an empty variable as unset', () => {
    const options = load({ env: { DATABASE_URL: '', ROLLCALL_GRPC_PORT: '' } });
    expect(options.databaseUrl).toBeUndefined();
    expect(options.grpcPort).toBe(50_051);
  });

  test.each([
    ['1048576', 1_048_576],
    ['2KiB', 2_048],
    ['2 MiB', 2_097_152],
    ['3GiB', 3_221_225_472],
  ])('reads the size %s as %d bytes', (text, bytes) => {
    expect(load({ env: { ROLLCALL_FOLD_MAX_BYTES: text } }).foldMaxBytes).toBe(bytes);
  });

  test.each(['', '-1', '1.5', '1e3', '0x10', '512MB', 'MiB', '9007199254740993', 'many'])(
    'refuses the size "%s"',
    (text) => {
      expect(problemsOf({ flags: { foldMaxBytes: text } })).toEqual([
        `--fold-max-bytes must be a size such as 64MiB of at least 1B, but is "${text}"`,
      ]);
    },
  );
});

describe('what cannot be used', () => {
  test('is reported all at once, each with its source', () => {
    const env = {
      ROLLCALL_GRPC_PORT: '70000',
      ROLLCALL_LOG_LEVEL: 'loud',
      ROLLCALL_GRCP_PORT: '1',
      ROLLCALL_HOST: '::',
    };
    expect(problemsOf({ env, flags: { foldIntervalMs: 'soon' } })).toEqual([
      'ROLLCALL_GRPC_PORT must be a whole number from 0 to 65535, but is "70000"',
      'ROLLCALL_LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent, but is "loud"',
      '--fold-interval-ms must be a whole number from 10 to 2147483647, but is "soon"',
      'host "::" is reached by other machines: that needs --insecure',
      'ROLLCALL_GRCP_PORT is no option of this release',
    ]);
  });

  test('does not name the password of a database URL', () => {
    expect(problemsOf({ env: { DATABASE_URL: 'mysql://root:hunter2@db/x' } })).toEqual([
      'DATABASE_URL must be a postgres:// URL',
    ]);
  });

  test('does not include variables of other programs', () => {
    expect(problemsOf({ env: { PGHOST: 'db', PATH: '/bin' } })).toEqual([]);
  });

  test('includes one port for both protocols, unless any free one will do', () => {
    expect(problemsOf({ flags: { grpcPort: '9000', httpPort: '9000' } })).toHaveLength(1);
    expect(problemsOf({ flags: { grpcPort: '0', httpPort: '0' } })).toEqual([]);
  });
});

describe('a host that other machines reach', () => {
  test.each(['0.0.0.0', '::', '10.0.0.1', 'rollcall.internal', '127.evil.example'])('%s needs --insecure', (host) => {
    expect(problemsOf({ flags: { host } })).toHaveLength(1);
    expect(problemsOf({ flags: { host, insecure: true } })).toEqual([]);
    expect(problemsOf({ flags: { host }, env: { ROLLCALL_INSECURE: 'true' } })).toEqual([]);
    expect(problemsOf({ flags: { host }, env: { ROLLCALL_INSECURE: 'false' } })).toHaveLength(1);
  });

  test.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('is not %s', (host) => {
    expect(problemsOf({ flags: { host } })).toEqual([]);
  });
});

test('commander takes every flag and hands back what loadOptions reads', () => {
  const command = new Command('serve').exitOverride();
  for (const { flags, description } of optionFlags()) command.option(flags, description);
  command.parse(['--grpc-port', '7000', '--chunk-cache-max-bytes', '1GiB', '--insecure'], { from: 'user' });
  expect(load({ flags: command.opts() })).toMatchObject({
    grpcPort: 7_000,
    chunkCacheMaxBytes: 2 ** 30,
    insecure: true,
    httpPort: 8_080,
  });
});

test('the table of the README has a row for each option', () => {
  const lines = optionsTable().split('\n');
  expect(lines).toHaveLength(2 + optionFlags().length);
  expect(lines).toContain(
    '| `ROLLCALL_GRPC_PORT` | `--grpc-port` | port | `50051` | Port of gRPC; 0 takes any free one |',
  );
  expect(lines[2]).toMatch(/^\| `DATABASE_URL` \| `--database-url` \| URL \| {2}\| /);
});

describe('the options of Kafka', () => {
  test('are lists where there may be several brokers and topics', () => {
    const options = load({ flags: { kafkaBrokers: 'one:9092, two:9093', kafkaTopics: 'a,b,a' } });
    expect(options).toMatchObject({ kafkaBrokers: ['one:9092', 'two:9093'], kafkaTopics: ['a', 'b'] });
    expect(problemsOf({ flags: { kafkaBrokers: 'one', kafkaTopics: 'a topic' } })).toHaveLength(2);
  });

  test('take a login at the brokers only whole, and never show its password', () => {
    const flags = { kafkaSaslMechanism: 'plain', kafkaSaslUsername: 'rollcall' };
    expect(problemsOf({ flags })).toEqual(['--kafka-sasl-mechanism needs --kafka-sasl-password']);
    expect(problemsOf({ flags: { kafkaSaslPassword: 'hush' } })).toEqual([
      '--kafka-sasl-password needs --kafka-sasl-mechanism',
    ]);
    expect(problemsOf({ flags: { kafkaTlsCaFile: 'ca.pem' } })).toEqual(['--kafka-tls-ca-file needs --kafka-tls']);
    expect(problemsOf({ flags: { ...flags, kafkaSaslPassword: ' ' } }).join()).not.toContain('" "');
  });
});
