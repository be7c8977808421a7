import { IndexService } from '../../gen/rollcall/v1/index_service_pb.js';
import { environmentArgument, longCommand } from '../base-commands.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { reportBegun } from './backfill.js';

const EXAMPLES = ['rollcall refresh ser.4Bk7', 'rollcall refresh ser.4Bk7 --wait'];

const DESCRIPTION = `load an environment from its source again, now

Refused while a backfill runs and within a minute of the last one (exit code 4, with the time left). What is stored is served meanwhile.`;

export function refreshCommand(context: CommandContext) {
  return longCommand('refresh', EXAMPLES)
    .description(DESCRIPTION)
    .summary('load an environment from its source again, now')
    .addArgument(environmentArgument(context))
    .option('--wait', 'wait till it has ended; exit code 1 unless it is done')
    .action(async (environment, { wait = false, ...options }) => {
      await withClient(context, { ...options, isBackfilling: wait }, async (client) => {
        const { backfill } = await client.call(IndexService.method.refresh, { environment });
        if (backfill !== undefined) await reportBegun(context, client, backfill, { ...options, wait });
      });
    });
}
