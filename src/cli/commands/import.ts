import { Option } from '@commander-js/extra-typings';
import { environmentOption, longCommand } from '../base-commands.js';
import type { CommandContext } from '../context.js';
import type { BadRowPolicy } from '../import/bad-rows.js';
import { typesOption } from '../import/column-options.js';
import type { InputFormat } from '../import/input-file.js';
import { importFile } from '../import/import-file.js';

const EXAMPLES = [
  'rollcall import people.csv',
  'rollcall import people.csv --identifier-column email --types zip=string,score=float',
  'rollcall import changes.ndjson --mode set-traits --environment staging',
  'zcat people.csv.gz | rollcall import - --format csv --on-bad-row skip',
];

const DESCRIPTION = `load identities from a CSV or NDJSON file (- is standard input)

CSV: a line of column names, then one identity a row. The file is read twice: the first time every row is checked and \
each column gets the narrowest type that all its cells have: int (of any size), float, bool (true, false), else string. \
Dates and numbers with leading zeros ("007") stay strings. An empty cell is no trait. Nothing is applied if a row is \
bad, unless --on-bad-row skip leaves such rows out.

NDJSON: one object a line, {"identifier": "ada", "traits": {"age": 36}} or flat, {"identifier": "ada", "age": 36}.`;

export function importCommand(context: CommandContext) {
  return longCommand('import', EXAMPLES)
    .description(DESCRIPTION)
    .summary('load identities from a CSV or NDJSON file')
    .argument('<file>', 'what to load')
    .addOption(environmentOption())
    .addOption(
      new Option('--format <format>', 'the format (default: by the extension)').choices([
        'csv',
        'ndjson',
      ] satisfies InputFormat[]),
    )
    .option('--identifier-column <name>', 'where identifiers are (default: identifier, else id)')
    .option('--id-column <name>', 'where the ids are that become ordinals, in an environment whose ordinals are given')
    .addOption(typesOption())
    .addOption(
      new Option('--mode <mode>', 'replace all traits of an identity, or set those in the file')
        .choices(['upsert', 'set-traits'])
        .default('upsert'),
    )
    .addOption(
      new Option('--on-bad-row <policy>', 'what to do with a row that cannot be used')
        .choices(['stop', 'skip'] satisfies BadRowPolicy[])
        .default('stop'),
    )
    .option('--dry-run', 'check the file and say what is in it; apply nothing')
    .action((path, options) => importFile(context, path, options));
}
