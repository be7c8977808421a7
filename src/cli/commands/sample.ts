import { MembershipService } from '../../gen/rollcall/v1/membership_service_pb.js';
import { answerJson, answerLine, memberJson, memberTable } from '../answers.js';
import { parseInteger, wholeNumber } from '../base-commands.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { formatCount } from '../format.js';
import { freshnessOf, readCommand, selectorOf, whenBuilt } from '../read-commands.js';

const EXAMPLES = ['rollcall sample growth', 'rollcall sample growth --size 100 --seed 7 --traits --json'];

export function sampleCommand(context: CommandContext) {
  return readCommand('sample', EXAMPLES)
    .description('some members of a segment, drawn at random')
    .argument('[segment]', "the segment's key")
    .option('--size <number>', 'how many, at most 1000', wholeNumber(1), 10)
    .option('--seed <integer>', 'draw the same members again, at the same revision', parseInteger)
    .option('--traits', 'with their traits')
    .action(async (segment, options) => {
      const { size, seed, traits = false } = options;
      const selector = await selectorOf(segment, options);
      const request = {
        selector,
        size,
        includeTraits: traits,
        ...(seed === undefined ? {} : { seed }),
        ...freshnessOf(options),
      };
      const answer = await withClient(context, options, (client) =>
        whenBuilt(context, options, () => client.call(MembershipService.method.sample, request)),
      );
      if (options.json === true) {
        const members = answer.members.map((member) => memberJson(member, traits));
        return context.output.json({ members, count: answer.count, seed: answer.seed, ...answerJson(answer) });
      }
      await context.output.line(memberTable(answer.members, traits));
      const of = `${formatCount(answer.members.length)} of ${formatCount(answer.count)}, seed ${answer.seed}`;
      await context.output.line(`${of}  ${answerLine(answer)}`);
    });
}
