import { Command } from '@commander-js/extra-typings';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { checkCommand } from './commands/check.js';
import { countCommand } from './commands/count.js';
import { deadLettersCommand } from './commands/dead-letters.js';
import { demoCommand } from './commands/demo.js';
import { environmentCommand } from './commands/environment.js';
import { explainCommand } from './commands/explain.js';
import { exportCommand } from './commands/export.js';
import { importCommand } from './commands/import.js';
import { listCommand } from './commands/list.js';
import { migrateCommand } from './commands/migrate.js';
import { produceCommand } from './commands/produce.js';
import { sampleCommand } from './commands/sample.js';
import { segmentCommand } from './commands/segment.js';
import { serveCommand } from './commands/serve.js';
import { statusCommand } from './commands/status.js';
import { verifyCommand } from './commands/verify.js';
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

/** The whole command line. */
export function createProgram(context: CommandContext): Command {
  const program = new Command('rollcall')
    .description('Rollcall always knows who is in which segment.')
    .version(readVersion())
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addHelpText('after', AFTER);
  const commands = [
    serveCommand(context),
    migrateCommand(context),
    importCommand(context),
    produceCommand(context),
    environmentCommand(context),
    segmentCommand(context),
    countCommand(context),
    sampleCommand(context),
    listCommand(context),
    exportCommand(context),
    checkCommand(context),
    explainCommand(context),
    statusCommand(context),
    verifyCommand(context),
    deadLettersCommand(context),
    demoCommand(context),
  ];
  for (const command of commands) program.addCommand(command);
  return program;
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}
