import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ListMembersRequestSchema, ListMembersResponse } from '../../gen/rollcall/v1/membership_service_pb.js';
import { MembershipService } from '../../gen/rollcall/v1/membership_service_pb.js';
import { answerJson, answerLine, memberJson, memberTable } from '../answers.js';
import { wholeNumber } from '../base-commands.js';
import type { RollcallClient } from '../client.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { freshnessOf, readCommand, selectorOf, whenBuilt } from '../read-commands.js';

const EXAMPLES = [
  'rollcall list growth',
  'rollcall list growth --query ada --page-size 20',
  'rollcall list growth --all --json | jq -r .identifier',
];

interface ListOptions {
  readonly traits?: true;
  readonly json?: true;
  readonly all?: true;
  readonly timeout: number;
}

export function listCommand(context: CommandContext) {
  return readCommand('list', EXAMPLES)
    .description('members of a segment in the order of their ids, page by page')
    .argument('[segment]', "the segment's key")
    .option('--query <text>', 'only identifiers with this text in them, upper or lower case alike', '')
    .option('--page-size <number>', 'how many on a page, at most 1000', wholeNumber(1), 100)
    .option('--page-token <token>', 'the page after the one that gave this token', '')
    .option('--all', 'all pages, one after the other; with --json one member a line')
    .option('--traits', 'with their traits')
    .action(async (segment, options) => {
      const { query, pageSize, pageToken } = options;
      const selector = await selectorOf(segment, options);
      const request = {
        selector,
        query,
        pageSize,
        pageToken,
        includeTraits: options.traits === true,
        ...freshnessOf(options),
      };
      await withClient(context, options, (client) => listPages(context, client, request, options));
    });
}

async function listPages(
  context: CommandContext,
  client: RollcallClient,
  request: MessageInitShape<typeof ListMembersRequestSchema>,
  options: ListOptions,
): Promise<void> {
  for (let { pageToken } = request; ;) {
    const page = await whenBuilt(context, options, () =>
      client.call(MembershipService.method.listMembers, { ...request, pageToken: pageToken ?? '' }),
    );
    await writePage(context, page, options);
    pageToken = page.nextPageToken;
    if (options.all !== true || pageToken === '') return;
  }
}

async function writePage({ output }: CommandContext, page: ListMembersResponse, options: ListOptions): Promise<void> {
  const traits = options.traits === true;
  const { members, nextPageToken } = page;
  if (options.json === true) {
    const documents = members.map((member) => memberJson(member, traits));
    if (options.all !== true) return output.json({ members: documents, nextPageToken, ...answerJson(page) });
    for (const document of documents) await output.json(document);
    return;
  }
  if (members.length > 0) await output.line(memberTable(members, traits));
  await output.line(answerLine(page));
  if (options.all !== true && nextPageToken !== '') await output.line(`More: --page-token ${nextPageToken}`);
}
