import { Command } from '@commander-js/extra-typings';
import type { Segment } from '../../gen/rollcall/v1/segment_pb.js';
import { SegmentService } from '../../gen/rollcall/v1/segment_service_pb.js';
import { clientCommand, collect, environmentOption, longCommand, projectOption } from '../base-commands.js';
import { CommandError } from '../command-error.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { readDefinition } from '../definition-options.js';
import { formatCount } from '../format.js';
import { openInput } from '../import/input-file.js';
import { jsonText } from '../json.js';
import { showsProgress, startProgress } from '../progress.js';
import { putList, readValues } from '../put-list.js';
import { putSegment, waitTillBuilt } from '../put-segment.js';
import { segmentJson, segmentTable } from '../segment-answers.js';
import { green } from '../style.js';
import { importCommand } from './segment-import.js';

const PUT_EXAMPLES = [
  `rollcall segment put adults --where 'age GREATER_THAN_INCLUSIVE 18'`,
  `rollcall segment put eu --rules '[{"type":"ALL","conditions":[{"property":"country","operator":"IN","value":"DE,FR,IT"}]}]'`,
  'rollcall segment put growth --file growth.json --etag "$etag"',
];

const PUT_DESCRIPTION = `create a segment, or replace its definition, and wait until its atoms are built

A definition is {"name": …, "rules": [{"type": "ALL" | "ANY" | "NONE", "conditions": [{"property": …, "operator": …, \
"value": … or "list": …}], "rules": […]}], "parent": …, "enabled": …}.`;

export function segmentCommand(context: CommandContext) {
  return new Command('segment')
    .description('write and read the definitions of segments')
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addCommand(putCommand(context))
    .addCommand(getCommand(context))
    .addCommand(listCommand(context))
    .addCommand(deleteCommand(context))
    .addCommand(importCommand(context))
    .addCommand(putListCommand(context));
}

function putCommand(context: CommandContext) {
  return longCommand('put', PUT_EXAMPLES)
    .description(PUT_DESCRIPTION)
    .summary('create a segment, or replace its definition')
    .argument('<key>', "the segment's key")
    .addOption(projectOption())
    .addOption(environmentOption())
    .option('--where <condition>', '"property OPERATOR value"; several are ANDed', collect)
    .option('--rules <json>', 'a definition or its list of rules')
    .option('--file <path>', 'a file with a definition (- is standard input)')
    .option('--etag <etag>', 'replace only this version')
    .option('--no-wait', 'do not wait until the environment answers the new definition')
    .action(async (key, options) => {
      const definition = await readDefinition(options);
      if (definition === undefined) throw new CommandError('USAGE', 'give a definition by --where, --rules or --file');
      if (definition.key !== undefined && definition.key !== key) {
        throw new CommandError('USAGE', `the definition is of ${definition.key}, not of ${key}`);
      }
      const { project, etag } = options;
      await withClient(context, options, async (client) => {
        const segment = await putSegment(client, { project, key, etag }, definition);
        const isBuilt =
          options.wait &&
          (await waitVisibly(context, options, (on) => waitTillBuilt(context, client, key, options, on)));
        await writeWritten(context, segment, isBuilt, options);
      });
    });
}

async function waitVisibly(
  context: CommandContext,
  options: { readonly progress?: boolean },
  wait: (onProgress: (share: number) => void) => Promise<boolean>,
): Promise<boolean> {
  const progress = startProgress(showsProgress(options), { label: 'Building atoms', total: 100 });
  try {
    return await wait((share) => progress.update(Math.round(share * 100)));
  } finally {
    progress.stop();
    context.signal.throwIfAborted();
  }
}

async function writeWritten(
  { output }: CommandContext,
  segment: Segment,
  isBuilt: boolean,
  options: { json?: true },
): Promise<void> {
  if (options.json === true) return output.json(segmentJson(segment));
  await output.line(`${green('✓')} ${segment.key}, etag ${segment.etag}${isBuilt ? '; its atoms are built' : ''}`);
}

function getCommand(context: CommandContext) {
  return clientCommand('get', ['rollcall segment get growth > growth.json'])
    .description('the definition of a segment as JSON, which put reads (it does not look at the etag and the times)')
    .argument('<key>', "the segment's key")
    .addOption(projectOption())
    .action(async (key, { project, ...options }) => {
      const { segment } = await withClient(context, options, (client) =>
        client.call(SegmentService.method.get, { project, key }),
      );
      if (segment === undefined) return;
      await context.output.line(jsonText(segmentJson(segment), options.json === true ? undefined : 2));
    });
}

function listCommand(context: CommandContext) {
  return clientCommand('list', ['rollcall segment list', 'rollcall segment list --json | jq -r .key'])
    .description('the segments of a project; with --json one a line')
    .addOption(projectOption())
    .action(async ({ project, ...options }) => {
      await withClient(context, options, async (client) => {
        const segments: Segment[] = [];
        for (let pageToken = ''; ;) {
          const page = await client.call(SegmentService.method.list, { project, pageToken, pageSize: 1000 });
          segments.push(...page.segments);
          pageToken = page.nextPageToken;
          if (pageToken === '') break;
        }
        if (options.json !== true) return context.output.line(segmentTable(segments));
        for (const segment of segments) await context.output.json(segmentJson(segment));
      });
    });
}

function deleteCommand(context: CommandContext) {
  return clientCommand('delete', ['rollcall segment delete growth'])
    .description('delete a segment that no other refers to')
    .argument('<key>', "the segment's key")
    .addOption(projectOption())
    .option('--etag <etag>', 'delete only this version', '')
    .action(async (key, { project, etag, ...options }) => {
      await withClient(context, options, (client) => client.call(SegmentService.method.delete, { project, key, etag }));
      if (options.json === true) return context.output.json({ deleted: key });
      await context.output.line(`${green('✓')} ${key} is deleted`);
    });
}

function putListCommand(context: CommandContext) {
  return longCommand('put-list', ['rollcall segment put-list vips vips.txt'])
    .description('put a list of up to 1,000,000 values for conditions with "operator": "IN", "list": its name')
    .argument('<name>', "the list's name")
    .argument('<file>', 'one value a line (- is standard input)')
    .addOption(projectOption())
    .action(async (name, path, { project, ...options }) => {
      const file = await openInput(path);
      const progress = startProgress(showsProgress(options), {
        label: 'Sending',
        total: file.sizeBytes,
        unit: 'bytes',
      });
      try {
        const values = readValues(file.read((bytes) => progress.update(bytes)));
        const { size, sha256 } = await withClient(context, options, (client) =>
          putList(client, { project, name }, values),
        );
        progress.stop();
        if (options.json === true) return await context.output.json({ project, name, size, sha256 });
        await context.output.line(`${green('✓')} the list ${name} has ${formatCount(size)} values`);
      } finally {
        progress.stop();
        await file.dispose();
      }
    });
}
