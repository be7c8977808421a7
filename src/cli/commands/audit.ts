import { type Timestamp, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { type AuditEntry, AuditAction, AuditService, AuditSubject } from '../../gen/rollcall/v1/audit_service_pb.js';
import { ACTIONS, auditEntryJson, auditTable, SUBJECTS } from '../audit/show-entries.js';
import { readingCommand, wholeNumber } from '../base-commands.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';

const EXAMPLES = [
  'rollcall audit',
  'rollcall audit --subject segment --key growth',
  'rollcall audit --actor anna --since 2026-01-01 --all --json',
];

const DESCRIPTION = `who changed segments, lists, environments and organisations: the newest first; with --json one entry a line, whole

Who it was is what the callers say of themselves: --actor of the commands that change something.`;

export function auditCommand(context: CommandContext) {
  return readingCommand('audit', EXAMPLES)
    .description(DESCRIPTION)
    .summary('who changed segments, lists, environments and organisations')
    .addOption(new Option('--subject <kind>', 'only changes of these').choices(namesOf(SUBJECTS)))
    .addOption(new Option('--action <action>', 'only what was done so').choices(namesOf(ACTIONS)))
    .option('--project <key>', 'only in this project', '')
    .option('--key <key>', 'only of the segment, list, environment or organisation with this key', '')
    .option('--actor <name>', 'only by this one', '')
    .option('--since <time>', 'not before this time, ISO 8601', parseTime)
    .option('--until <time>', 'before this time, ISO 8601', parseTime)
    .option('--page-size <number>', 'how many on a page, at most 1000', wholeNumber(1), 100)
    .option('--page-token <token>', 'the page after the one that gave this token', '')
    .option('--all', 'all pages, one after the other')
    .action(async ({ all = false, actor, ...options }) => {
      const { project, key, since, until, pageSize } = options;
      const filter = {
        subject: options.subject === undefined ? AuditSubject.UNSPECIFIED : SUBJECTS[options.subject],
        action: options.action === undefined ? AuditAction.UNSPECIFIED : ACTIONS[options.action],
        ...{ project, key, actor, pageSize },
        ...(since === undefined ? {} : { since }),
        ...(until === undefined ? {} : { until }),
      };
      await withClient(context, options, async (client) => {
        for (let { pageToken } = options; ;) {
          const page = await client.call(AuditService.method.listAuditEntries, { ...filter, pageToken });
          pageToken = page.nextPageToken;
          await writePage(context, page.entries, options.json === true, all ? '' : pageToken);
          if (!all || pageToken === '') return;
        }
      });
    });
}

async function writePage(
  { output }: CommandContext,
  entries: readonly AuditEntry[],
  isJson: boolean,
  nextPageToken: string,
): Promise<void> {
  if (isJson) {
    for (const entry of entries) await output.json(auditEntryJson(entry));
    return;
  }
  await output.line(entries.length === 0 ? 'There is no such entry.' : auditTable(entries));
  if (nextPageToken !== '') await output.line(`More: --page-token ${nextPageToken}`);
}

function parseTime(text: string): Timestamp {
  const time = new Date(text);
  if (/^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(time.getTime())) return timestampFromDate(time);
  throw new InvalidArgumentError('It must be a date or a time, such as 2026-01-31 or 2026-01-31T12:00:00Z.');
}

function namesOf<Name extends string>(table: Readonly<Record<Name, unknown>>): Name[] {
  const names: Name[] = [];
  for (const name in table) names.push(name);
  return names;
}
