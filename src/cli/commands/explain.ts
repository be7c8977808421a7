import { MembershipService } from '../../gen/rollcall/v1/membership_service_pb.js';
import { answerJson, answerLine } from '../answers.js';
import { CommandError } from '../command-error.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { explainJson, formatExplainTree } from '../explain-tree.js';
import { freshnessOf, readCommand, selectorOf, whenBuilt } from '../read-commands.js';

const EXAMPLES = [
  'rollcall explain growth ada@example.org',
  `rollcall explain ada@example.org --where 'age GREATER_THAN 30'`,
];

export function explainCommand(context: CommandContext) {
  return readCommand('explain', EXAMPLES)
    .description(
      'why an identity is in a segment or is not: the rule tree with the truth of each node for the identity, and for how many it is true',
    )
    .summary('why an identity is in a segment or is not')
    .usage('[options] <segment> <identifier>')
    .argument('<names...>', "the segment's key, unless a draft is given, and the identifier")
    .action(async (names, options) => {
      const { segment, identifier } = readNames(names);
      const identity = { identity: { case: 'identifier', value: identifier } } as const;
      const request = { selector: await selectorOf(segment, options), identity, ...freshnessOf(options) };
      const answer = await withClient(context, options, (client) =>
        whenBuilt(context, options, () => client.call(MembershipService.method.explain, request)),
      );
      const { member, root } = answer;
      if (options.json === true) {
        return context.output.json({
          member,
          root: root === undefined ? null : explainJson(root),
          ...answerJson(answer),
        });
      }
      if (root !== undefined) await context.output.line(formatExplainTree(root));
      await context.output.line(answerLine(answer));
    });
}

function readNames(names: readonly string[]): { readonly segment: string | undefined; readonly identifier: string } {
  const [first, second, ...others] = names;
  if (first === undefined || others.length > 0)
    throw new CommandError('USAGE', 'give the key of a segment and an identifier');
  return second === undefined ? { segment: undefined, identifier: first } : { segment: first, identifier: second };
}
