import { RollcallError } from '../../core/errors.js';
import { ErrorReason } from '../../gen/rollcall/v1/error_reason_pb.js';
import type { CheckMembershipResponse, SegmentMembership } from '../../gen/rollcall/v1/membership_service_pb.js';
import { MembershipService } from '../../gen/rollcall/v1/membership_service_pb.js';
import { answerJson, answerLine } from '../answers.js';
import { clientCommand, environmentOption, parseInteger } from '../base-commands.js';
import { reasonNamed } from '../call-errors.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import type { Json } from '../json.js';
import { freshnessOf } from '../read-commands.js';
import { dim, mark, red } from '../style.js';
import { formatTable, printable } from '../table.js';

const EXAMPLES = ['rollcall check ada@example.org', 'rollcall check ada@example.org growth beta-testers --json'];

export function checkCommand(context: CommandContext) {
  return clientCommand('check', EXAMPLES)
    .description('in which segments an identity is; ends with an error if one of them cannot be answered')
    .argument('<identifier>', 'which identity')
    .argument('[segments...]', 'the keys of segments (default: all that are enabled)')
    .addOption(environmentOption())
    .option('--latest', 'answer at the newest revision in the database')
    .option('--at-least-revision <revision>', 'answer at this revision or a later one', parseInteger)
    .action(async (identifier, segments, options) => {
      const identity = { identity: { case: 'identifier', value: identifier } } as const;
      const request = { environment: options.environment, identity, segments, ...freshnessOf(options) };
      const answer = await withClient(context, options, (client) =>
        client.call(MembershipService.method.checkMembership, request),
      );
      if (options.json === true)
        await context.output.json({ results: answer.results.map(resultJson), ...answerJson(answer) });
      else await writeTable(context, answer);
      throwFirstError(answer);
    });
}

function resultJson({ segment, outcome, etag, pending }: SegmentMembership): Json {
  if (outcome.case !== 'error') return { segment, member: outcome.value, etag, pending };
  const { reason, message, metadata } = outcome.value;
  return { segment, error: { reason: ErrorReason[reason], message, metadata } };
}

async function writeTable({ output }: CommandContext, answer: CheckMembershipResponse): Promise<void> {
  const rows = answer.results.map(({ segment, outcome }) => [
    outcome.case === 'error' ? red('!') : mark(outcome.value === true),
    printable(segment),
    outcome.case === 'error' ? red(outcome.value.message) : dim(outcome.value === true ? 'member' : 'no member'),
  ]);
  await output.line(formatTable([{ title: '' }, { title: 'segment' }, { title: '' }], rows));
  await output.line(answerLine(answer));
}

function throwFirstError({ results }: CheckMembershipResponse): void {
  for (const { segment, outcome } of results) {
    if (outcome.case !== 'error') continue;
    const { reason, message, metadata } = outcome.value;
    throw new RollcallError(reasonNamed(ErrorReason[reason]) ?? 'INTERNAL', message, {
      metadata: { segment, ...metadata },
    });
  }
}
