import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { COLUMN_TYPES, type ColumnType } from './column-types.js';

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
