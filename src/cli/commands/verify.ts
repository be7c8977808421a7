import { InvalidArgumentError } from '@commander-js/extra-typings';
import type { VerifyResponse } from '../../gen/rollcall/v1/index_service_pb.js';
import { IndexService } from '../../gen/rollcall/v1/index_service_pb.js';
import { clientCommand, environmentOption, wholeNumber } from '../base-commands.js';
import { CommandError } from '../command-error.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { formatCount, formatThings } from '../format.js';
import { green, red } from '../style.js';
import { formatTable, printable } from '../table.js';

const EXAMPLES = ['rollcall verify', 'rollcall verify --sample 0.1 --timeout 600'];

export function verifyCommand(context: CommandContext) {
  return clientCommand('verify', EXAMPLES)
    .description('compute the index anew from the stored identities and compare; exit code 1 if something differs')
    .addOption(environmentOption())
    .option('--sample <share>', 'only this share of the identities, 0 to 1', parseShare, 1)
    .option('--max-ranges <number>', 'at most this many ranges of 65,536 identities', wholeNumber(1))
    .action(async ({ environment, sample, maxRanges = 0, ...options }) => {
      const request = { environment, sampleShare: sample, maxRanges };
      const found = await withClient(context, options, (client) => client.call(IndexService.method.verify, request));
      if (options.json === true) await context.output.json(verifyJson(found));
      else await writeFindings(context, found);
      const count = found.differences.length;
      if (count > 0)
        throw new CommandError(
          'DIFFERENCES_FOUND',
          `the index differs from the identities in ${formatThings(count, 'chunk')}`,
        );
    });
}

async function writeFindings({ output }: CommandContext, found: VerifyResponse): Promise<void> {
  const { chunksChecked, identitiesChecked, differences } = found;
  const checked = `${formatThings(chunksChecked, 'chunk')} and ${formatThings(identitiesChecked, 'identity', 'identities')} compared`;
  const at = `revision ${formatCount(found.revision)}`;
  if (differences.length === 0) return output.line(`${green('✓')} the index is right: ${checked}, ${at}`);
  await output.line(`${red('✗')} ${checked}, ${at}`);
  const columns = ['atom', 'chunk', 'missing', 'surplus', 'corrupt', 'definition'].map((title) => ({ title }));
  const rows = differences.map(({ atomId, chunk, missing, surplus, corrupt, definition }) => [
    ...[atomId, chunk, missing, surplus].map(formatCount),
    corrupt ? red('yes') : 'no',
    printable(definition),
  ]);
  await output.line(formatTable(columns, rows));
}

function verifyJson({ revision, chunksChecked, identitiesChecked, differences }: VerifyResponse) {
  return {
    revision,
    chunksChecked,
    identitiesChecked,
    differences: differences.map(({ atomId, definition, chunk, missing, surplus, corrupt }) => ({
      atomId,
      definition,
      chunk,
      missing,
      surplus,
      corrupt,
    })),
  };
}

function parseShare(text: string): number {
  const share = Number(text);
  if (text.trim() !== '' && share > 0 && share <= 1) return share;
  throw new InvalidArgumentError('It must be above 0 and at most 1.');
}
