import { CommandError } from '../command-error.js';
import type { BadRows } from './bad-rows.js';
import type { ColumnType } from './column-types.js';
import type { ColumnChoice, CsvPlan, TraitColumn } from './csv-source.js';
import { planCsv, readCsvRows } from './csv-source.js';
import type { ImportRow } from './import-rows.js';
import type { InputFile, InputFormat } from './input-file.js';
import type { MemberChoice } from './ndjson-source.js';
import { readNdjsonRows } from './ndjson-source.js';

/** What reading the whole file once has told. */
export interface InputPlan {
  readonly fileName: string;
  readonly identifierColumn: string;
  /** Rows that can be used. */
  readonly rows: number;
  readonly badRows: BadRows;
  /** None where the file says the types itself. */
  readonly csv: CsvPlan | undefined;
}

export interface InputOptions {
  readonly identifierColumn?: string;
  readonly idColumn?: string;
  readonly types?: ReadonlyMap<string, ColumnType>;
}

type Progress = (bytes: number) => void;

/** Checks the whole file. Throws BAD_INPUT and USAGE. */
export async function planInput(
  file: InputFile,
  format: InputFormat,
  options: InputOptions,
  badRows: BadRows,
  onBytes: Progress,
): Promise<InputPlan> {
  if (format === 'csv') {
    const csv = await planCsv(file, columnChoice(options), badRows, onBytes);
    return { fileName: file.name, identifierColumn: csv.identifierColumn, rows: csv.rows, badRows, csv };
  }
  if (options.types !== undefined) throw new CommandError('USAGE', '--types is for CSV: NDJSON says the types itself');
  const choice = memberChoice(options);
  let rows = 0;
  const all = readNdjsonRows(file, choice, badRows, onBytes);
  while ((await all.next()).done !== true) rows += 1;
  return { fileName: file.name, identifierColumn: choice.identifierColumn, rows, badRows, csv: undefined };
}

/** The rows of a file that was planned. */
export function readRows(
  file: InputFile,
  plan: InputPlan,
  options: InputOptions,
  badRows: BadRows,
  onBytes: Progress,
): AsyncGenerator<ImportRow> {
  if (plan.csv !== undefined) return readCsvRows(file, columnChoice(options), plan.csv, badRows, onBytes);
  return readNdjsonRows(file, memberChoice(options), badRows, onBytes);
}

/** The columns that become traits; none for NDJSON. */
export function traitColumns(plan: InputPlan): readonly TraitColumn[] {
  return plan.csv?.columns ?? [];
}

function columnChoice({ identifierColumn, idColumn, types }: InputOptions): ColumnChoice {
  return {
    ...(identifierColumn === undefined ? {} : { identifierColumn }),
    ...(idColumn === undefined ? {} : { idColumn }),
    types: types ?? new Map(),
  };
}

function memberChoice({ identifierColumn, idColumn }: InputOptions): MemberChoice {
  return { identifierColumn: identifierColumn ?? 'identifier', ...(idColumn === undefined ? {} : { idColumn }) };
}
