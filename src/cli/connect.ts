import { loadOptions } from '../server/options.js';
import type { Options } from '../server/options.js';
import { RollcallClient } from './client.js';
import type { CommandContext } from './context.js';
import { findRunningServer } from './running-server.js';
import { userName } from './user-name.js';

export interface ConnectOptions {
  readonly server?: string;
  readonly dataDirectory?: string;
  /** The deadline of each unary call, in seconds. */
  readonly timeout: number;
  /** Who is said to do what the command does; the user, where left out. */
  readonly actor?: string;
  /** Whether a server in this process reads from Kafka as its options say; else it leaves that to those that stay. */
  readonly isFed?: boolean;
  /** Whether a server in this process runs backfills; else it leaves those, too. */
  readonly isBackfilling?: boolean;
}

/** How long a server that announced itself has to answer, before the command tries to serve the data folder by itself. */
const ANNOUNCED_SERVER_TIMEOUT_MS = 2_000;

/**
 * Runs `work` with a client of the server that `--server` or ROLLCALL_SERVER names. Without one: of a server in this process on
 * the database of DATABASE_URL or on the embedded one, which stops when the work is done; where another process serves the
 * embedded database, of that one.
 */
export async function withClient<Result>(
  context: CommandContext,
  options: ConnectOptions,
  work: (client: RollcallClient) => Promise<Result>,
): Promise<Result> {
  const timeoutMs = options.timeout * 1000;
  const actor = options.actor ?? userName();
  const clientAt = (address: string) => new RollcallClient({ address, timeoutMs, actor, signal: context.signal });
  if (options.server !== undefined) return useClient(clientAt(options.server), work);
  const serverOptions = inProcessOptions(context, options);
  const running = await reachRunningServer(serverOptions, clientAt);
  return running === undefined
    ? serveWhile(serverOptions, (address) => useClient(clientAt(address), work))
    : useClient(running, work);
}

/** The environment as the server's options know it: variables that only the command line reads are taken out. */
export function serverEnvironment(context: CommandContext): Readonly<Record<string, string | undefined>> {
  const { ROLLCALL_SERVER: _server, ROLLCALL_ENVIRONMENT: _environment, ROLLCALL_ACTOR: _actor, ...rest } = context.env;
  return rest;
}

function inProcessOptions(
  context: CommandContext,
  { dataDirectory, isFed = false, isBackfilling = false }: ConnectOptions,
): Options {
  const flags = { host: '127.0.0.1', grpcPort: '0', httpPort: '0', shutdownGraceMs: '1000', dataDirectory };
  const env = { ROLLCALL_LOG_LEVEL: 'error', SEGMENT_MEMBERSHIP_ENABLED: 'true', ...serverEnvironment(context) };
  const options = loadOptions({ env, flags });
  return {
    ...options,
    // Gates are turned by those that stay, whose options say how.
    gateIntervalMs: 0,
    ...(isFed ? {} : { kafkaBrokers: undefined }),
    ...(isBackfilling ? {} : { backfillsAtOnce: 0 }),
  };
}

async function useClient<Result>(
  client: RollcallClient,
  work: (client: RollcallClient) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

async function reachRunningServer(
  options: Options,
  clientAt: (address: string) => RollcallClient,
): Promise<RollcallClient | undefined> {
  if (options.databaseUrl !== undefined) return undefined;
  const running = await findRunningServer(options.dataDirectory);
  if (running === undefined) return undefined;
  const client = clientAt(running.grpcAddress);
  try {
    await client.waitForReady(ANNOUNCED_SERVER_TIMEOUT_MS);
    return client;
  } catch {
    client.close();
    return undefined;
  }
}

/** Loads the server only where it is needed: a command for a server elsewhere starts sooner without it. */
async function serveWhile<Result>(options: Options, work: (address: string) => Promise<Result>): Promise<Result> {
  const [{ startRollcall }, { createLogger }] = await Promise.all([
    import('../server/start.js'),
    import('../server/logger.js'),
  ]);
  const server = await startRollcall(options, createLogger(options));
  try {
    return await work(server.grpcAddress);
  } finally {
    await server.stop();
  }
}
