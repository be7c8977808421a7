import { baseCommand, wholeNumber } from '../base-commands.js';
import type { CommandContext } from '../context.js';
import { runDemo } from '../demo/run-demo.js';

const EXAMPLES = ['rollcall demo', 'rollcall demo --kafka', 'rollcall demo --identities 20000 --seed 1'];

const DESCRIPTION = `show everything once: load made-up identities, write segments, ask every query, apply changes, export

It runs on its own embedded database in a folder that is removed at the start, whatever DATABASE_URL says.`;

export function demoCommand(context: CommandContext) {
  return baseCommand('demo', EXAMPLES)
    .description(DESCRIPTION)
    .summary('show everything once, on made-up identities')
    .option('--identities <number>', 'how many', wholeNumber(1_000), 200_000)
    .option('--seed <number>', 'other numbers make other people', wholeNumber(0), 1)
    .option('--data-directory <path>', 'where the embedded database is', '.rollcall-demo')
    .option(
      '--kafka',
      'send the changes by a real Kafka broker: that of KAFKA_BROKERS, in a container, or on the local Java',
    )
    .option('--progress', 'show progress (default: if standard error is a terminal)')
    .option('--no-progress', 'show none')
    .action((options) => runDemo(context, options));
}
