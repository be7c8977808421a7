import { gzipSync } from 'node:zlib';
import { Option } from '@commander-js/extra-typings';
import {
  DocumentFormat,
  type ImportedSegment,
  ImportMode,
  ImportOutcome,
  SegmentService,
} from '../../gen/rollcall/v1/segment_service_pb.js';
import { isGzip } from '../../server/unpack-document.js';
import { clientCommand, projectOption } from '../base-commands.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { DIALECT_NAMES } from '../dialects.js';
import { formatCount } from '../format.js';
import { openInput } from '../import/input-file.js';
import { importedSegmentJson, importOutcomeText } from '../segment-answers.js';
import { formatTable, printable } from '../table.js';
import { green, red } from '../style.js';

const EXAMPLES = [
  'rollcall segment import environment.json --dry-run',
  'rollcall segment import environment.json.gz --format flagsmith',
  'rollcall segment import conditions.json --format litestar --key premium',
  'curl -s https://flags.example.com/segments | rollcall segment import -',
];

const DESCRIPTION = `create and replace segments from a document of another system

A Flagsmith environment document or list of segments (a segment's id becomes its key), segments of litestar-flags or of Mozhno, or a bare list of \
litestar-flags' conditions or Mozhno's rules, which need --key; gzip-compressed or not. All of it is imported, or nothing. A segment that cannot be written as it is there \
(an unknown operator, a pattern that is refused) is imported disabled, with the reason. Importing the same again changes nothing.`;

const FORMATS = {
  flagsmith: DocumentFormat.FLAGSMITH,
  litestar: DocumentFormat.LITESTAR,
  mozhno: DocumentFormat.MOZHNO,
} as const;

/** From here on a document is sent compressed. */
const COMPRESS_FROM_BYTES = 1024 * 1024;

export function importCommand(context: CommandContext) {
  return clientCommand('import', EXAMPLES)
    .description(DESCRIPTION)
    .summary('create and replace segments from a document')
    .argument('<file>', 'the document (- is standard input)')
    .addOption(projectOption())
    .addOption(new Option('--format <format>', 'what it is (default: told by its shape)').choices(DIALECT_NAMES))
    .option('--key <key>', 'the key of the segment that a bare list makes', '')
    .option('--create-only', 'replace nothing: fail where a segment is there already')
    .option('--dry-run', 'only say what would be done')
    .action(async (path, { project, format, key, createOnly, dryRun, ...options }) => {
      const document = await readBytes(path);
      const { segments } = await withClient(context, options, (client) =>
        client.call(SegmentService.method.import, {
          project,
          document: document.length < COMPRESS_FROM_BYTES || isGzip(document) ? document : gzipSync(document),
          format: format === undefined ? DocumentFormat.UNSPECIFIED : FORMATS[format],
          mode: createOnly === true ? ImportMode.CREATE : ImportMode.REPLACE,
          dryRun: dryRun === true,
          key,
        }),
      );
      if (options.json === true)
        return context.output.json({ dryRun: dryRun === true, segments: segments.map(importedSegmentJson) });
      await writeSegments(context, segments, dryRun === true);
    });
}

async function readBytes(path: string): Promise<Buffer> {
  const file = await openInput(path);
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of file.read()) chunks.push(chunk);
    return Buffer.concat(chunks);
  } finally {
    await file.dispose();
  }
}

async function writeSegments(
  { output }: CommandContext,
  segments: readonly ImportedSegment[],
  isDryRun: boolean,
): Promise<void> {
  if (segments.length > 0) await output.line(tableOf(segments));
  const disabled = segments.filter(({ disabledReason }) => disabledReason !== '');
  for (const { key, disabledReason } of disabled)
    await output.line(`${red('!')} ${printable(key)} is disabled. ${printable(disabledReason)}`);
  const counts = [ImportOutcome.CREATED, ImportOutcome.UPDATED, ImportOutcome.UNCHANGED].map(
    (outcome) =>
      `${formatCount(segments.filter((segment) => segment.outcome === outcome).length)} ${importOutcomeText(outcome)}`,
  );
  const note = isDryRun ? ' (a dry run: nothing was written)' : '';
  await output.line(
    `${green('✓')} ${[...counts, `${formatCount(disabled.length)} disabled with a reason`].join(', ')}${note}`,
  );
}

function tableOf(segments: readonly ImportedSegment[]): string {
  return formatTable(
    [{ title: 'key' }, { title: 'name' }, { title: 'outcome' }, { title: 'enabled' }],
    segments.map(({ key, name, outcome, enabled }) => [
      printable(key),
      printable(name),
      importOutcomeText(outcome),
      enabled ? 'yes' : 'no',
    ]),
  );
}
