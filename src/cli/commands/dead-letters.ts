import { Command } from '@commander-js/extra-typings';
import { ErrorReason } from '../../gen/rollcall/v1/error_reason_pb.js';
import { type DeadLetter, type FailedReplay, IndexService } from '../../gen/rollcall/v1/index_service_pb.js';
import { clientCommand, longCommand, wholeNumber } from '../base-commands.js';
import type { RollcallClient } from '../client.js';
import { CommandError } from '../command-error.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { filterOf, parseReason, selectionOf } from '../dead-letters/selection.js';
import { deadLetterJson, deadLetterTable } from '../dead-letters/show-letters.js';
import { formatCount, formatThings } from '../format.js';
import { showsProgress, startProgress } from '../progress.js';
import { green, red } from '../style.js';
import { formatTable, printable } from '../table.js';

const LIST_EXAMPLES = [
  'rollcall dead-letters list',
  'rollcall dead-letters list --reason ENVIRONMENT_NOT_FOUND --all --json | jq -r .keyText',
  'rollcall dead-letters list --whole --json | jq -r .value | base64 -d',
];
const REPLAY_EXAMPLES = [
  'rollcall dead-letters replay 17 18',
  'rollcall dead-letters replay --environment staging',
  'rollcall dead-letters replay --all',
];
const DROP_EXAMPLES = ['rollcall dead-letters drop 17 18', 'rollcall dead-letters drop --topic imports'];

const REPLAY_DESCRIPTION = `decode dead letters again and apply them now, in the order in which they were put aside

What is applied counts as new: traits that a partial change sets replace newer values of the same traits. Letters that fail \
again stay, and the exit code is 1.`;

export function deadLettersCommand(context: CommandContext) {
  return new Command('dead-letters')
    .description('messages from Kafka that could not be applied: list, apply or drop them')
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addCommand(listCommand(context))
    .addCommand(replayCommand(context))
    .addCommand(dropCommand(context));
}

function listCommand(context: CommandContext) {
  return clientCommand('list', LIST_EXAMPLES)
    .description('dead letters in the order in which they were put aside; with --json one a line')
    .option('--environment <key>', 'only those for this environment')
    .option('--topic <name>', 'only those of this topic')
    .option('--reason <reason>', 'only those put aside for this reason', parseReason)
    .option('--page-size <number>', 'how many on a page, at most 1000', wholeNumber(1), 100)
    .option('--page-token <token>', 'the page after the one that gave this token', '')
    .option('--all', 'all pages, one after the other')
    .option('--whole', 'with --json: whole keys and values rather than their first 1,024 bytes')
    .action(async ({ pageSize, whole = false, all = false, ...options }) => {
      await withClient(context, options, async (client) => {
        for (let { pageToken } = options; ;) {
          const request = { filter: filterOf(options), pageSize, pageToken, whole };
          const page = await client.call(IndexService.method.listDeadLetters, request);
          pageToken = page.nextPageToken;
          await writePage(context, page.deadLetters, options.json === true, all ? '' : pageToken);
          if (!all || pageToken === '') return;
        }
      });
    });
}

async function writePage(
  { output }: CommandContext,
  letters: readonly DeadLetter[],
  isJson: boolean,
  nextPageToken: string,
): Promise<void> {
  if (isJson) {
    for (const letter of letters) await output.json(deadLetterJson(letter));
    return;
  }
  await output.line(letters.length === 0 ? 'There is no dead letter.' : deadLetterTable(letters));
  if (nextPageToken !== '') await output.line(`More: --page-token ${nextPageToken}`);
}

function replayCommand(context: CommandContext) {
  return longCommand('replay', REPLAY_EXAMPLES)
    .description(REPLAY_DESCRIPTION)
    .summary('decode dead letters again and apply them now')
    .argument('[ids...]', 'which letters')
    .option('--environment <key>', 'those for this environment')
    .option('--topic <name>', 'those of this topic')
    .option('--reason <reason>', 'those put aside for this reason', parseReason)
    .option('--all', 'all dead letters')
    .action(async (ids, options) => {
      const selection = selectionOf(ids, options);
      const progress = startProgress(showsProgress(options), { label: 'Replaying' });
      try {
        const outcome = await withClient(context, options, (client) =>
          replayAll(client, selection, (tried) => progress.update(tried)),
        );
        progress.stop();
        await reportReplay(context, outcome, options.json === true);
      } finally {
        progress.stop();
      }
    });
}

interface ReplayOutcome {
  readonly replayed: bigint;
  readonly failed: readonly FailedReplay[];
}

async function replayAll(
  client: RollcallClient,
  selection: ReturnType<typeof selectionOf>,
  onPage: (tried: number) => void,
): Promise<ReplayOutcome> {
  let replayed = 0n;
  const failed: FailedReplay[] = [];
  for (let pageToken = ''; ;) {
    const page = await client.call(IndexService.method.replayDeadLetters, { selection, pageToken });
    replayed += page.replayed;
    failed.push(...page.failed);
    onPage(Number(replayed) + failed.length);
    pageToken = page.nextPageToken;
    if (pageToken === '') return { replayed, failed };
  }
}

async function reportReplay({ output }: CommandContext, outcome: ReplayOutcome, isJson: boolean): Promise<void> {
  const { replayed, failed } = outcome;
  const rows = failed.map(({ id, reason, explanation }) => ({ id, reason: ErrorReason[reason], explanation }));
  if (isJson) await output.json({ replayed, failed: rows });
  else {
    await output.line(`${green('✓')} ${formatThings(replayed, 'dead letter')} applied`);
    const columns = [{ title: 'id', align: 'right' as const }, { title: 'reason' }, { title: 'explanation' }];
    const cells = rows.map(({ id, reason, explanation }) => [String(id), reason, printable(explanation)]);
    if (rows.length > 0)
      await output.line(`${red('✗')} ${formatCount(rows.length)} failed\n${formatTable(columns, cells)}`);
  }
  if (rows.length > 0)
    throw new CommandError('REPLAY_FAILED', `${formatThings(rows.length, 'dead letter')} failed again and stay`);
}

function dropCommand(context: CommandContext) {
  return clientCommand('drop', DROP_EXAMPLES)
    .description('remove dead letters for good; identities that were quarantined for them stay so')
    .argument('[ids...]', 'which letters')
    .option('--environment <key>', 'those for this environment')
    .option('--topic <name>', 'those of this topic')
    .option('--reason <reason>', 'those put aside for this reason', parseReason)
    .option('--all', 'all dead letters')
    .action(async (ids, options) => {
      const selection = selectionOf(ids, options);
      const { dropped } = await withClient(context, options, (client) =>
        client.call(IndexService.method.dropDeadLetters, { selection }),
      );
      if (options.json === true) return context.output.json({ dropped });
      await context.output.line(`${green('✓')} ${formatThings(dropped, 'dead letter')} dropped`);
    });
}
