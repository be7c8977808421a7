import { Option } from '@commander-js/extra-typings';
import { MembershipService } from '../../gen/rollcall/v1/membership_service_pb.js';
import { wholeNumber } from '../base-commands.js';
import { CommandError } from '../command-error.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { exportMembers } from '../export/export-members.js';
import { MEMBER_FORMATS, memberFormat } from '../export/member-format.js';
import type { StreamedMembers } from '../export/stream-members.js';
import { formatCount, formatDuration, formatRate, formatThings } from '../format.js';
import { jsonText } from '../json.js';
import { remark, showsProgress, startProgress } from '../progress.js';
import { freshnessOf, readCommand, selectorOf, whenBuilt } from '../read-commands.js';

const EXAMPLES = [
  'rollcall export growth growth.ndjson',
  'rollcall export growth growth.csv --format csv --columns plan,country',
  'rollcall export growth - --format ids | sort | head',
  `rollcall export pro.ids --format ids --where 'plan EQUAL pro'`,
];

const DESCRIPTION = `write all members of a segment to a file (- is standard output)

A stream that is cut goes on where it was; what arrived is compared with the count and the CRC32C that the server sends. \
The file is named <file>.part until it is whole.`;

export function exportCommand(context: CommandContext) {
  return readCommand('export', EXAMPLES)
    .description(DESCRIPTION)
    .summary('write all members of a segment to a file')
    .usage('[options] <segment> <file>')
    .argument('<names...>', "the segment's key, unless a draft is given, and the file")
    .addOption(new Option('--format <format>', 'what to write').choices(MEMBER_FORMATS).default('ndjson' as const))
    .option('--limit <number>', 'at most this many members', wholeNumber(1))
    .option('--traits', 'with their traits; in CSV as JSON in one column')
    .option('--columns <names>', 'in CSV: these traits, separated by commas, a column each', (text) => text.split(','))
    .option('--strict', 'fail if a cut stream cannot go on at the same revision')
    .action(async (names, options) => {
      const { segment, path } = readNames(names);
      const { limit = 0, traits = false, columns = [], strict = false } = options;
      const format = memberFormat({ format: options.format, traits, columns });
      const selector = await selectorOf(segment, options);
      const request = { selector, limit: BigInt(limit), strict, ...freshnessOf(options) };
      const progress = startProgress(showsProgress(options), { label: 'Exporting' });
      const startedAt = performance.now();
      try {
        const streamed = await withClient(context, options, async (client) => {
          await whenBuilt(
            context,
            options,
            () => client.call(MembershipService.method.count, { selector }),
            () => undefined,
          );
          return exportMembers(context, client, { path, format, request }, progress);
        });
        progress.stop();
        await report(context, path, streamed, { ...options, elapsedMs: performance.now() - startedAt });
      } finally {
        progress.stop();
      }
    });
}

function readNames(names: readonly string[]): { readonly segment: string | undefined; readonly path: string } {
  const [first, second, ...others] = names;
  if (first === undefined || others.length > 0) throw new CommandError('USAGE', 'give the key of a segment and a file');
  return second === undefined ? { segment: undefined, path: first } : { segment: first, path: second };
}

async function report(
  context: CommandContext,
  path: string,
  streamed: StreamedMembers,
  options: { readonly json?: true; readonly elapsedMs: number },
): Promise<void> {
  const elapsedMs = Math.round(options.elapsedMs);
  if (options.json === true) {
    const summary = { file: path, ...streamed, elapsedMs };
    return path === '-' ? remark(context, jsonText(summary)) : context.output.json(summary);
  }
  const { members, revision, resumptions, revisionChanged } = streamed;
  const to = path === '-' ? '' : ` to ${path}`;
  const cuts = resumptions === 0 ? '' : `, resumed ${formatThings(resumptions, 'time')}`;
  const change = revisionChanged ? ', the rest at a newer revision' : '';
  const speed = `${formatDuration(elapsedMs)} (${formatRate(members, elapsedMs)})`;
  await remark(
    context,
    `${formatThings(members, 'member')}${to} in ${speed}, revision ${formatCount(revision)}${cuts}${change}; checked`,
  );
}
