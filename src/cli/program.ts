import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { CommandContext } from './context.js';
import { EXIT_CODES_HELP } from './exit-codes.js';

const AFTER = `
Which server: that of --server or ROLLCALL_SERVER; without it, one inside this process on the database of DATABASE_URL, or
else on the embedded database in the data folder (.rollcall); if \`rollcall serve\` runs there, that one is asked.

Start here:
  $ rollcall demo
  $ rollcall import people.csv
  $ rollcall segment put growth --where 'plan EQUAL pro' --where 'age LESS_THAN 40'
  $ rollcall count growth

${EXIT_CODES_HELP}`;

type LoadCommand = (context: CommandContext) => Promise<CommandUnknownOpts>;

/** By name, in the order of the help. Each is loaded when it is needed: the server's start should not wait for what only others use. */
const COMMANDS: Readonly<Record<string, LoadCommand>> = {
  serve: async (context) => (await import('./commands/serve.js')).serveCommand(context),
  migrate: async (context) => (await import('./commands/migrate.js')).migrateCommand(context),
  import: async (context) => (await import('./commands/import.js')).importCommand(context),
  produce: async (context) => (await import('./commands/produce.js')).produceCommand(context),
  environment: async (context) => (await import('./commands/environment.js')).environmentCommand(context),
  organisation: async (context) => (await import('./commands/organisation.js')).organisationCommand(context),
  segment: async (context) => (await import('./commands/segment.js')).segmentCommand(context),
  adopt: async (context) => (await import('./commands/adopt.js')).adoptCommand(context),
  backfill: async (context) => (await import('./commands/backfill.js')).backfillCommand(context),
  refresh: async (context) => (await import('./commands/refresh.js')).refreshCommand(context),
  count: async (context) => (await import('./commands/count.js')).countCommand(context),
  sample: async (context) => (await import('./commands/sample.js')).sampleCommand(context),
  list: async (context) => (await import('./commands/list.js')).listCommand(context),
  export: async (context) => (await import('./commands/export.js')).exportCommand(context),
  check: async (context) => (await import('./commands/check.js')).checkCommand(context),
  explain: async (context) => (await import('./commands/explain.js')).explainCommand(context),
  status: async (context) => (await import('./commands/status.js')).statusCommand(context),
  verify: async (context) => (await import('./commands/verify.js')).verifyCommand(context),
  'dead-letters': async (context) => (await import('./commands/dead-letters.js')).deadLettersCommand(context),
  audit: async (context) => (await import('./commands/audit.js')).auditCommand(context),
  demo: async (context) => (await import('./commands/demo.js')).demoCommand(context),
};

/** The command line as far as these arguments need it: the command that they begin with, else all of them. */
export async function createProgram(context: CommandContext, [name = '']: readonly string[]): Promise<Command> {
  const program = new Command('rollcall')
    .description('Rollcall always knows who is in which segment.')
    .version(readVersion())
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addHelpText('after', AFTER);
  const named = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const wanted = named === undefined ? Object.values(COMMANDS) : [named];
  for (const command of await Promise.all(wanted.map((load) => load(context)))) program.addCommand(command);
  return program;
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}
