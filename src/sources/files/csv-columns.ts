import { RollcallError } from '../../core/errors.js';
import type { ColumnType } from './column-types.js';
import { traitProblem } from './file-row.js';

/** Which columns of a CSV file are what. */
export interface ColumnChoice {
  /** Default: `identifier`, else `id`. */
  readonly identifierColumn?: string;
  readonly idColumn?: string;
  /** By column; the others hold strings. */
  readonly types: ReadonlyMap<string, ColumnType>;
}

/** A column that becomes a trait. */
export interface TraitColumn {
  readonly name: string;
  /** What comes before its value in a JSON object. */
  readonly member: string;
  readonly index: number;
  readonly type: ColumnType;
}

/** Where things are in a row. */
export interface CsvLayout {
  readonly names: readonly string[];
  readonly identifierColumn: string;
  readonly identifierIndex: number;
  /** -1 where there are no ids. */
  readonly idIndex: number;
  readonly traitColumns: readonly TraitColumn[];
}

/** Throws INVALID_DOCUMENT where the names are no header, and INVALID_REQUEST where a chosen column is not among them. */
export function layOutColumns(names: readonly string[], choice: ColumnChoice): CsvLayout {
  checkNames(names);
  const identifierColumn =
    choice.identifierColumn ?? ['identifier', 'id'].find((name) => names.includes(name) && name !== choice.idColumn);
  if (identifierColumn === undefined)
    throw noColumn(`no column is named identifier or id: name one of ${listed(names)} as the identifier's`);
  for (const name of [identifierColumn, choice.idColumn, ...choice.types.keys()])
    if (name !== undefined && !names.includes(name))
      throw noColumn(`there is no column ${name} among ${listed(names)}`);
  const identifierIndex = names.indexOf(identifierColumn);
  const idIndex = choice.idColumn === undefined ? -1 : names.indexOf(choice.idColumn);
  const traitColumns = names
    .map((name, index) => ({
      name,
      member: `${JSON.stringify(name)}: `,
      index,
      type: choice.types.get(name) ?? ('string' as const),
    }))
    .filter(({ index }) => index !== identifierIndex && index !== idIndex);
  return { names, identifierColumn, identifierIndex, idIndex, traitColumns };
}

function checkNames(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const [index, name] of names.entries()) {
    if (name === '') throw badHeader(`column ${index + 1} has no name`);
    if (seen.has(name)) throw badHeader(`two columns are named ${JSON.stringify(name)}`);
    seen.add(name);
    if (name.includes('\r')) throw badHeader('lines end with a carriage return only: they must end with a line feed');
    const problem = traitProblem(name, '');
    if (problem !== undefined) throw badHeader(problem.problem);
  }
}

function listed(names: readonly string[]): string {
  const all = names.join(', ');
  return all.length > MAX_LISTED ? `${all.slice(0, MAX_LISTED).toWellFormed()}…` : all;
}

const MAX_LISTED = 500;

function badHeader(problem: string): RollcallError {
  return new RollcallError('INVALID_DOCUMENT', `line 1: ${problem}`, { metadata: { line: '1' } });
}

function noColumn(problem: string): RollcallError {
  return new RollcallError('INVALID_REQUEST', problem, { metadata: { field: 'identifier_column' } });
}
