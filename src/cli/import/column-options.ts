import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import type { BadRowPolicy } from './bad-rows.js';
import { COLUMN_TYPES, type ColumnType } from '../../sources/files/column-types.js';
import type { InputFormat } from './input-file.js';

/** What a file is read as, by a flag of the command's own. */
export function inputFormatOption<const Flags extends string>(flags: Flags, description: string) {
  return new Option(flags, description).choices(['csv', 'ndjson'] satisfies InputFormat[]);
}

/** `--mode`. */
export function modeOption() {
  return new Option('--mode <mode>', 'replace all traits of an identity, or set those in the file')
    .choices(['upsert', 'set-traits'])
    .default('upsert');
}

/** `--on-bad-row`. */
export function badRowOption() {
  return new Option('--on-bad-row <policy>', 'what to do with a row that cannot be used')
    .choices(['stop', 'skip'] satisfies BadRowPolicy[])
    .default('stop');
}

/** `--types`, which may be given several times. */
export function typesOption() {
  return new Option('--types <column=type,…>', 'types of columns, instead of those found').argParser(collectTypes);
}

function collectTypes(
  text: string,
  before: ReadonlyMap<string, ColumnType> | undefined,
): ReadonlyMap<string, ColumnType> {
  return new Map([...(before ?? []), ...text.split(',').map(parseType)]);
}

function parseType(text: string): [string, ColumnType] {
  const split = text.lastIndexOf('=');
  const type = COLUMN_TYPES.find((candidate) => candidate === text.slice(split + 1));
  if (split > 0 && type !== undefined) return [text.slice(0, split), type];
  throw new InvalidArgumentError(`It must be column=type with a type among ${COLUMN_TYPES.join(', ')}.`);
}
