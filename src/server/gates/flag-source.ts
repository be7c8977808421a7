import { TypedInMemoryProvider } from '@openfeature/server-sdk';
import { pino } from 'pino';
import { RollcallError } from '../../core/errors.js';
import type { Options } from '../options.js';
import { contextOf, FLAG_KEY, type FlagSource } from './organisation-flag.js';

/** How often the flags are fetched where the provider is not told of changes. */
const REFRESH_SECONDS = 10;
const REQUEST_TIMEOUT_SECONDS = 3;

/** The provider that the options name; the clients of the others are not even loaded. */
export async function createFlagSource(options: Options): Promise<FlagSource> {
  switch (options.flagProvider) {
    case 'memory':
      return memorySource(new Set(options.membershipOrganisations));
    case 'flagd':
      return flagdSource(options);
    case 'flagsmith':
      return flagsmithSource(options);
  }
}

/** Lets these organisations in, `*` all of them. */
function memorySource(organisations: ReadonlySet<string>): FlagSource {
  const isIn = (key = ''): boolean => organisations.has('*') || organisations.has(key);
  const provider = new TypedInMemoryProvider({
    [FLAG_KEY]: {
      variants: { on: true, off: false },
      defaultVariant: 'off',
      disabled: false,
      contextEvaluator: ({ targetingKey }) => (isIn(targetingKey) ? 'on' : 'off'),
    },
  });
  return { provider, contextOf, close: () => Promise.resolve() };
}

/** Evaluates in this process what flagd sends, and again whenever that changes. */
async function flagdSource({ flagdHost: host, flagdPort: port, flagdTls: tls }: Options): Promise<FlagSource> {
  const { FlagdProvider } = await import('@openfeature/flagd-provider');
  const provider = new FlagdProvider({ host, port, tls, resolverType: 'in-process' });
  return { provider, contextOf, close: () => Promise.resolve() };
}

/** Evaluates in this process the environment that Flagsmith sends. Its rules see the name and the attributes as traits. */
async function flagsmithSource({ flagsmithFlagsKey, flagsmithFlagsUrl }: Options): Promise<FlagSource> {
  if (flagsmithFlagsKey === undefined) throw new RollcallError('INTERNAL', 'the key of the flags is missing');
  const [{ FlagsmithOpenFeatureProvider }, { Flagsmith }] = await Promise.all([
    import('@openfeature/flagsmith-provider'),
    import('flagsmith-nodejs'),
  ]);
  type Client = ConstructorParameters<typeof FlagsmithOpenFeatureProvider>[0];
  const client = new Flagsmith({
    environmentKey: flagsmithFlagsKey,
    ...(flagsmithFlagsUrl === undefined ? {} : { apiUrl: flagsmithFlagsUrl }),
    enableLocalEvaluation: true,
    environmentRefreshIntervalSeconds: REFRESH_SECONDS,
    requestTimeoutSeconds: REQUEST_TIMEOUT_SECONDS,
    retries: 0,
    logger: pino({ level: 'silent' }),
  });
  return {
    // The provider's types name the CommonJS twin of the same class.
    provider: new FlagsmithOpenFeatureProvider(client as unknown as Client),
    contextOf: (organisation) => {
      const { targetingKey, ...traits } = contextOf(organisation);
      return { ...(targetingKey === undefined ? {} : { targetingKey }), traits };
    },
    close: () => client.close(),
  };
}
