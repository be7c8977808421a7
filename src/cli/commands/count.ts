import { MembershipService } from '../../gen/rollcall/v1/membership_service_pb.js';
import { answerJson, answerLine } from '../answers.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { formatCount } from '../format.js';
import { freshnessOf, readCommand, selectorOf, whenBuilt } from '../read-commands.js';
import { bold } from '../style.js';

const EXAMPLES = [
  'rollcall count growth',
  'rollcall count growth --latest --json',
  `rollcall count --where 'plan EQUAL pro' --where 'age GREATER_THAN 30'`,
  `rollcall count --rules '[{"type":"NONE","conditions":[{"property":"country","operator":"IN","value":"DE,FR"}]}]'`,
];

export function countCommand(context: CommandContext) {
  return readCommand('count', EXAMPLES)
    .description('how many members a segment has')
    .argument('[segment]', "the segment's key")
    .action(async (segment, options) => {
      const request = { selector: await selectorOf(segment, options), ...freshnessOf(options) };
      const answer = await withClient(context, options, (client) =>
        whenBuilt(context, options, () => client.call(MembershipService.method.count, request)),
      );
      if (options.json === true) return context.output.json({ count: answer.count, ...answerJson(answer) });
      await context.output.line(`${bold(formatCount(answer.count))}  ${answerLine(answer)}`);
    });
}
