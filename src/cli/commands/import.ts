import { environmentOption, longCommand } from '../base-commands.js';
import type { CommandContext } from '../context.js';
import { badRowOption, inputFormatOption, modeOption, typesOption } from '../import/column-options.js';
import { importFile } from '../import/import-file.js';

const EXAMPLES = [
  'rollcall import people.csv',
  'rollcall import people.csv --identifier-column email --types zip=string,score=float',
  'rollcall import everyone.ndjson.gz --complete',
  'rollcall import changes.ndjson --mode set-traits --environment staging',
  'rollcall import - --format csv --on-bad-row skip < people.csv.gz',
];

const DESCRIPTION = `load identities from a CSV or NDJSON file, plain or gzip (- is standard input)

CSV: a line of column names, then one identity a row. The file is read twice: the first time every row is checked and \
each column gets the narrowest type that all its cells have: int (of any size), float, bool (true, false), else string. \
Dates and numbers with leading zeros ("007") stay strings. An empty cell is no trait. Nothing is applied if a row is \
bad, unless --on-bad-row skip leaves such rows out.

NDJSON: one object a line, {"identifier": "ada", "traits": {"age": 36}} or flat, {"identifier": "ada", "age": 36}.

An upsert is a load that \`rollcall status\` shows. It commits as it goes, and changes that arrive meanwhile win. With --complete, \
identities that are not in the file are removed at the end. A load that was cut off goes on with --resume and the same file.`;

export function importCommand(context: CommandContext) {
  return longCommand('import', EXAMPLES)
    .description(DESCRIPTION)
    .summary('load identities from a CSV or NDJSON file')
    .argument('<file>', 'what to load')
    .addOption(environmentOption())
    .addOption(inputFormatOption('--format <format>', 'the format (default: by the extension)'))
    .option('--identifier-column <name>', 'where identifiers are (default: identifier, else id)')
    .option('--id-column <name>', 'where the ids are that become ordinals, in an environment whose ordinals are given')
    .addOption(typesOption())
    .addOption(modeOption())
    .addOption(badRowOption())
    .option('--complete', 'the file is the whole environment: remove the identities that are not in it')
    .option('--resume', 'go on with a load of this file that was cut off, after the last row that was committed')
    .option('--dry-run', 'check the file and say what is in it; apply nothing')
    .action((path, options) => importFile(context, path, options));
}
