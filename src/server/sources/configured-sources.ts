import { RollcallError } from '../../core/errors.js';
import type { IdentitySource } from '../../core/source.js';
import type { FlagsmithDatabase } from '../../sources/flagsmith/flagsmith-database.js';
import type { Environment, EnvironmentSource } from '../../storage/environments.js';
import type { Options } from '../options.js';

type SourceKind = Exclude<EnvironmentSource, ''>;

/** The options that say where sources are. */
export type SourceOptions = Pick<
  Options,
  | 'flagsmithDatabaseUrl'
  | 'dynamodbTable'
  | 'dynamodbRegion'
  | 'dynamodbEndpoint'
  | 'dynamodbReadUnitsPerSecond'
  | 'dynamodbScanSegments'
>;

/** The sources that this service is configured for. Their modules are loaded when they are first needed. */
export interface ConfiguredSources {
  /** What an environment is loaded from. Throws SOURCE_NOT_CONFIGURED. */
  expect(environment: Pick<Environment, 'key' | 'source'>): SourceKind;
  /** Opens the source of an environment. Throws SOURCE_NOT_CONFIGURED, SOURCE_UNAVAILABLE, ENVIRONMENT_NOT_FOUND where the source has no such environment, and the signal's reason. */
  open(environment: Pick<Environment, 'key' | 'source'>, signal: AbortSignal): Promise<IdentitySource>;
  /** Flagsmith's database, one for all. Throws SOURCE_NOT_CONFIGURED. */
  openFlagsmith(): Promise<FlagsmithDatabase>;
  close(): Promise<void>;
}

export function configureSources(options: SourceOptions): ConfiguredSources {
  const isConfigured = {
    flagsmith: options.flagsmithDatabaseUrl !== undefined,
    dynamodb: options.dynamodbRegion !== undefined || options.dynamodbEndpoint !== undefined,
  } satisfies Record<SourceKind, boolean>;
  let flagsmith: Promise<FlagsmithDatabase> | undefined;
  const sources: ConfiguredSources = {
    expect({ key, source }) {
      if (source !== '' && isConfigured[source]) return source;
      throw notConfigured(source, key);
    },
    open(environment, signal) {
      const kind = sources.expect(environment);
      return kind === 'flagsmith'
        ? openFlagsmithSource(sources, environment.key, signal)
        : openDynamoDb(options, environment.key);
    },
    openFlagsmith() {
      const { flagsmithDatabaseUrl: url } = options;
      if (url === undefined) return Promise.reject(notConfigured('flagsmith'));
      return (flagsmith ??= openFlagsmithDatabase(url));
    },
    async close() {
      await (await flagsmith)?.close();
    },
  };
  return sources;
}

async function openFlagsmithDatabase(url: string): Promise<FlagsmithDatabase> {
  const { openFlagsmithDatabase: open } = await import('../../sources/flagsmith/flagsmith-database.js');
  return open({ url });
}

async function openFlagsmithSource(
  sources: Pick<ConfiguredSources, 'openFlagsmith'>,
  environmentKey: string,
  signal: AbortSignal,
): Promise<IdentitySource> {
  const [database, { listFlagsmithEnvironments }, { flagsmithIdentitySource }] = await Promise.all([
    sources.openFlagsmith(),
    import('../../sources/flagsmith/flagsmith-tenancy.js'),
    import('../../sources/flagsmith/flagsmith-identities.js'),
  ]);
  const { environments } = await listFlagsmithEnvironments(database, signal);
  const found = environments.find(({ apiKey }) => apiKey === environmentKey);
  if (found === undefined)
    throw new RollcallError('ENVIRONMENT_NOT_FOUND', `Flagsmith has no environment with the key '${environmentKey}'`, {
      metadata: { environment: environmentKey },
    });
  return flagsmithIdentitySource(database, { environmentKey, environmentId: found.id });
}

async function openDynamoDb(
  {
    dynamodbTable: tableName,
    dynamodbRegion: region,
    dynamodbEndpoint: endpoint,
    dynamodbReadUnitsPerSecond: units,
    dynamodbScanSegments: segments,
  }: SourceOptions,
  environmentKey: string,
): Promise<IdentitySource> {
  const { openDynamoDbSource } = await import('../../sources/dynamodb/dynamodb-source.js');
  return openDynamoDbSource({
    environmentKey,
    tableName,
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(units === 0 ? {} : { unitsPerSecond: units }),
    ...(segments === 0 ? {} : { isScanned: true, segments }),
  });
}

function notConfigured(source: EnvironmentSource, environmentKey?: string): RollcallError {
  const metadata = { source, ...(environmentKey === undefined ? {} : { environment: environmentKey }) };
  if (source === '') return new RollcallError('SOURCE_NOT_CONFIGURED', 'the environment names no source', { metadata });
  const what = source === 'flagsmith' ? "Flagsmith's database" : 'DynamoDB';
  return new RollcallError('SOURCE_NOT_CONFIGURED', `this service is not configured for ${what}`, { metadata });
}
