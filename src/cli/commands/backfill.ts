import { Command } from '@commander-js/extra-typings';
import { type Backfill, BackfillState, IndexService } from '../../gen/rollcall/v1/index_service_pb.js';
import { backfillJson, backfillTable, describeBackfill } from '../backfill/show-backfill.js';
import { expectDone, watchBackfill } from '../backfill/watch-backfill.js';
import { clientCommand, environmentArgument, longCommand, wholeNumber } from '../base-commands.js';
import type { RollcallClient } from '../client.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { showsProgress } from '../progress.js';
import { green } from '../style.js';
import { printable } from '../table.js';

const START_EXAMPLES = ['rollcall backfill start ser.4Bk7 --wait', 'rollcall backfill start ser.4Bk7 --restart'];
const STATUS_EXAMPLES = ['rollcall backfill status ser.4Bk7', 'rollcall backfill status ser.4Bk7 --watch'];
const PAGE_SIZE = 1_000;
/** As Postgres's integer. */
const MOST_IDENTITIES_PER_SECOND = 2 ** 31 - 1;

const START_DESCRIPTION = `load an environment from its source, beside live changes, which win

Goes on with a backfill that failed where it stopped. It runs in the server; without one that stays, give --wait: then it runs in this process.`;

export function backfillCommand(context: CommandContext) {
  return new Command('backfill')
    .description('load environments from their sources: start, watch, list and cancel')
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addCommand(startCommand(context))
    .addCommand(statusCommand(context))
    .addCommand(listCommand(context))
    .addCommand(cancelCommand(context));
}

function startCommand(context: CommandContext) {
  return longCommand('start', START_EXAMPLES)
    .description(START_DESCRIPTION)
    .summary('load an environment from its source')
    .addArgument(environmentArgument(context))
    .option('--restart', 'begin anew where the last one failed')
    .option('--rate <number>', 'at most so many identities a second (default: as configured)', parseRate, 0)
    .option('--wait', 'wait till it has ended; exit code 1 unless it is done')
    .action(async (environment, { restart = false, rate, wait = false, ...options }) => {
      await withClient(context, { ...options, isBackfilling: wait }, async (client) => {
        const request = { environment, restart, identitiesPerSecond: rate };
        const { backfill } = await client.call(IndexService.method.backfill, request);
        if (backfill !== undefined) await reportBegun(context, client, backfill, { ...options, wait });
      });
    });
}

function statusCommand(context: CommandContext) {
  return longCommand('status', STATUS_EXAMPLES)
    .description('the newest backfill of an environment: how far, how fast, what it skipped')
    .addArgument(environmentArgument(context))
    .option('--id <number>', 'that with this id', wholeNumber(1))
    .option('--watch', 'follow it till it has ended; with --json a line for each change')
    .action(async (environment, { id = 0, watch = false, ...options }) => {
      await withClient(context, { ...options, isBackfilling: watch }, async (client) => {
        const { backfill } = await client.call(IndexService.method.getBackfill, { environment, id: BigInt(id) });
        if (backfill === undefined) return;
        const onChange = (one: Backfill): Promise<void> =>
          options.json === true ? context.output.json(backfillJson(one)) : Promise.resolve();
        const shown = watch
          ? await watchBackfill(context, client, backfill, { showsProgress: showsProgress(options), onChange })
          : backfill;
        if (!watch) await onChange(shown);
        if (options.json !== true) await context.output.line(describeBackfill(shown));
      });
    });
}

function listCommand(context: CommandContext) {
  return clientCommand('list', ['rollcall backfill list ser.4Bk7'])
    .description('the backfills of an environment, the newest first')
    .addArgument(environmentArgument(context))
    .action(async (environment, options) => {
      const backfills = await withClient(context, options, (client) => listAll(client, environment));
      if (options.json !== true)
        return context.output.line(
          backfills.length === 0 ? `There was no backfill of ${printable(environment)}.` : backfillTable(backfills),
        );
      for (const backfill of backfills) await context.output.json(backfillJson(backfill));
    });
}

async function listAll(client: RollcallClient, environment: string): Promise<Backfill[]> {
  const all: Backfill[] = [];
  for (let pageToken = ''; ;) {
    const request = { environment, pageSize: PAGE_SIZE, pageToken };
    const page = await client.call(IndexService.method.listBackfills, request);
    all.push(...page.backfills);
    pageToken = page.nextPageToken;
    if (pageToken === '') return all;
  }
}

function cancelCommand(context: CommandContext) {
  return clientCommand('cancel', ['rollcall backfill cancel ser.4Bk7'])
    .description('end the backfill that runs, or give up the failed one; what it loaded stays, nothing is removed')
    .addArgument(environmentArgument(context))
    .action(async (environment, options) => {
      const { backfill } = await withClient(context, options, (client) =>
        client.call(IndexService.method.cancelBackfill, { environment }),
      );
      if (backfill === undefined) return;
      if (options.json === true) return context.output.json(backfillJson(backfill));
      await context.output.line(describeBackfill(backfill));
    });
}

/** Says what was begun, or with `wait` how it ended. Throws BACKFILL_FAILED where it was waited for and is not done. */
export async function reportBegun(
  context: CommandContext,
  client: RollcallClient,
  begun: Backfill,
  { wait, ...options }: { readonly wait: boolean; readonly json?: true; readonly progress?: boolean },
): Promise<void> {
  const backfill = wait
    ? await watchBackfill(context, client, begun, { showsProgress: showsProgress(options) })
    : begun;
  if (options.json === true) await context.output.json(backfillJson(backfill));
  else if (backfill.state === BackfillState.RUNNING)
    await context.output.line(
      `${green('✓')} backfill ${backfill.id} of ${printable(backfill.environment)} runs: rollcall backfill status ${printable(backfill.environment)} --watch`,
    );
  else await context.output.line(describeBackfill(backfill));
  if (wait) expectDone(backfill);
}

function parseRate(text: string): number {
  return Math.min(wholeNumber(0)(text), MOST_IDENTITIES_PER_SECOND);
}
