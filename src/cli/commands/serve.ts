import type { CommandContext } from '../context.js';
import { baseCommand } from '../base-commands.js';
import { serverEnvironment } from '../connect.js';
import { announceRunningServer, forgetRunningServer } from '../running-server.js';
import { loadOptions, optionFlags } from '../../server/options.js';
import type { Options } from '../../server/options.js';
import type { Logger } from '../../server/logger.js';
import type { Addresses } from '../../server/processes/place.js';

const EXAMPLES = [
  'rollcall serve',
  'rollcall serve --grpc-port 0 --http-port 0 --data-directory /var/lib/rollcall',
  'rollcall serve --processes 4',
  'DATABASE_URL=postgres://rollcall@localhost/rollcall rollcall serve',
];

const DESCRIPTION = `serve until a signal to stop

The first SIGINT or SIGTERM lets open calls end, the second stops at once. Without DATABASE_URL it runs its own PostgreSQL \
in the data folder, and other commands on that folder talk to this server.`;

export function serveCommand(context: CommandContext) {
  const command = baseCommand('serve', EXAMPLES).description(DESCRIPTION).summary('serve until a signal to stop');
  for (const { flags, description } of optionFlags()) command.option(flags, description);
  return command.action(async ({ json, ...flags }) => {
    const options = loadOptions({ env: serverEnvironment(context), flags });
    await serve(context, options, json === true);
  });
}

async function serve(context: CommandContext, options: Options, isJson: boolean): Promise<void> {
  const { createLogger } = await import('../../server/logger.js');
  const server = await start(options, createLogger(options));
  const isEmbedded = options.databaseUrl === undefined;
  try {
    const { grpcAddress, httpAddress } = server;
    if (isEmbedded) await announceRunningServer(options.dataDirectory, { pid: process.pid, grpcAddress });
    if (isJson) await context.output.json({ grpcAddress, httpAddress });
    else await context.output.write(`gRPC on ${grpcAddress}\nConnect, gRPC-Web and JSON on http://${httpAddress}\n`);
    await untilAborted(context.signal);
  } finally {
    if (isEmbedded) await forgetRunningServer(options.dataDirectory);
    await server.stop();
  }
}

async function start(options: Options, logger: Logger): Promise<Addresses & { stop(): Promise<void> }> {
  if (options.processes === 1) return (await import('../../server/start.js')).startRollcall(options, logger);
  return (await import('../../server/processes/start-processes.js')).startProcesses(options, logger);
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
