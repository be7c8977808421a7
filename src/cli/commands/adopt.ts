import { Command } from '@commander-js/extra-typings';
import { adoptedJson, createTotals, describeTotals, writeAdopted } from '../backfill/show-adopted.js';
import { waitForLoads } from '../backfill/wait-for-loads.js';
import { EnvironmentService } from '../../gen/rollcall/v1/environment_service_pb.js';
import { longCommand } from '../base-commands.js';
import { CommandError } from '../command-error.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { formatThings } from '../format.js';
import { showsProgress } from '../progress.js';

const EXAMPLES = [
  'rollcall adopt flagsmith --dry-run',
  'rollcall adopt flagsmith --wait',
  'rollcall adopt flagsmith --project 12 --json',
];

const DESCRIPTION = `bring over the organisations, environments and segments of Flagsmith's database

The server reads the database of ROLLCALL_FLAGSMITH_DATABASE_URL and writes nothing to it. New environments begin to load from it by themselves, in the server that stays. A \
segment that cannot be written as it is there is imported disabled, with the reason. Running it again changes only what has changed, and deletes nothing. Exit code 1 if \
something could not be taken.`;

export function adoptCommand(context: CommandContext) {
  return new Command('adopt')
    .description('bring over what another system has')
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addCommand(flagsmithCommand(context));
}

function flagsmithCommand(context: CommandContext) {
  return longCommand('flagsmith', EXAMPLES)
    .description(DESCRIPTION)
    .summary("bring over what Flagsmith's database has")
    .option('--project <id>', 'only this project', '')
    .option('--environment <key>', 'only this environment, with the segments of its project', '')
    .option('--dry-run', 'only say what would be done')
    .option('--wait', 'wait till every environment that is adopted is loaded')
    .action(async ({ project, environment, dryRun = false, wait = false, ...options }) => {
      const isWaiting = wait && !dryRun;
      const totals = createTotals();
      await withClient(context, { ...options, isBackfilling: isWaiting }, async (client) => {
        for await (const adopted of client.stream(EnvironmentService.method.adoptFlagsmith, {
          project,
          environment,
          dryRun,
        })) {
          totals.add(adopted);
          await (options.json === true
            ? context.output.json(adoptedJson(adopted, dryRun))
            : writeAdopted(context.output, adopted));
        }
        if (options.json !== true) await context.output.line(describeTotals(totals, dryRun));
        if (isWaiting) await waitForLoads(context, client, totals.environmentKeys, showsProgress(options));
      });
      if (totals.failed > 0)
        throw new CommandError('ADOPTION_INCOMPLETE', `${formatThings(totals.failed, 'thing')} could not be taken`);
    });
}
