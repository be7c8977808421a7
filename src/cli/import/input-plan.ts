import { RollcallError } from '../../core/errors.js';
import type { ColumnType } from '../../sources/files/column-types.js';
import { type FileLayout, readRows as readFileRows } from '../../sources/files/file-source.js';
import type { CsvObserver } from '../../sources/files/csv-records.js';
import { CommandError } from '../command-error.js';
import type { BadRows } from './bad-rows.js';
import { createCsvPlanner, type CsvPlan, type SeenColumn, typesOf } from './csv-plan.js';
import { importRow, type ImportRow, usableRows } from './import-rows.js';
import type { InputFile, InputFormat } from './input-file.js';

/** What reading the whole file once has told. */
export interface InputPlan {
  readonly fileName: string;
  readonly identifierColumn: string;
  /** Rows that can be used. */
  readonly rows: number;
  readonly badRows: BadRows;
  /** The file's bytes, unpacked. */
  readonly unpackedBytes: number;
  /** None where the file says the types itself. */
  readonly csv: CsvPlan | undefined;
}

export interface InputOptions {
  readonly identifierColumn?: string;
  readonly idColumn?: string;
  readonly types?: ReadonlyMap<string, ColumnType>;
}

type Progress = (bytes: number) => void;

const DEFAULT_IDENTIFIER = 'identifier';

/** Checks the whole file. Throws BAD_INPUT and USAGE. */
export async function planInput(
  file: InputFile,
  format: InputFormat,
  options: InputOptions,
  badRows: BadRows,
  onBytes: Progress,
): Promise<InputPlan> {
  const planner = format === 'csv' ? createCsvPlanner() : undefined;
  const layout = layoutOf(format, options, options.types, planner);
  let rows = 0;
  let unpackedBytes = 0;
  const sink = usableRows(badRows, () => (rows += 1));
  try {
    for await (const bytes of readFileRows(file.read(onBytes), layout, sink)) unpackedBytes = bytes;
  } catch (error) {
    throw inputError(error);
  }
  const csv = planner?.plan(options.types ?? new Map());
  const identifierColumn = csv?.identifierColumn ?? options.identifierColumn ?? DEFAULT_IDENTIFIER;
  return { fileName: file.name, identifierColumn, rows, badRows, unpackedBytes, csv };
}

/** The rows of a file that was planned. Throws BAD_INPUT. */
export async function* readRows(
  file: InputFile,
  plan: InputPlan,
  options: InputOptions,
  badRows: BadRows,
  onBytes: Progress,
): AsyncGenerator<ImportRow> {
  const { csv } = plan;
  const layout = csv === undefined ? layoutOf('ndjson', options, undefined) : layoutOf('csv', options, typesOf(csv));
  let found: ImportRow[] = [];
  const sink = usableRows(badRows, (row) => found.push(importRow(row)));
  const blocks = readFileRows(file.read(onBytes), layout, sink);
  try {
    while ((await blocks.next()).done !== true) {
      yield* found;
      found = [];
    }
  } catch (error) {
    throw inputError(error);
  } finally {
    await blocks.return(undefined);
  }
}

/** The columns of a CSV file that become traits. Throws BAD_INPUT and USAGE. */
export async function readColumns(file: InputFile, options: InputOptions): Promise<string[]> {
  let columns: string[] = [];
  const observer: CsvObserver = {
    begin: ({ traitColumns }) => (columns = traitColumns.map(({ name }) => name)),
    row: () => undefined,
  };
  const layout = layoutOf('csv', options, options.types, observer);
  const sink = { take: () => undefined, reject: () => undefined };
  const blocks = readFileRows(file.read(), layout, sink);
  try {
    // The first block holds the header.
    await blocks.next();
  } catch (error) {
    throw inputError(error);
  } finally {
    await blocks.return(undefined);
  }
  return columns;
}

/** The columns that become traits; none for NDJSON. */
export function traitColumns(plan: InputPlan): readonly SeenColumn[] {
  return plan.csv?.columns ?? [];
}

function layoutOf(
  format: InputFormat,
  { identifierColumn, idColumn }: InputOptions,
  types: ReadonlyMap<string, ColumnType> | undefined,
  observer?: CsvObserver,
): FileLayout {
  if (format === 'csv') {
    const columns = {
      types: types ?? new Map<string, ColumnType>(),
      ...(identifierColumn === undefined ? {} : { identifierColumn }),
      ...(idColumn === undefined ? {} : { idColumn }),
    };
    return { format, columns, ...(observer === undefined ? {} : { observer }) };
  }
  if (types !== undefined) throw new CommandError('USAGE', '--types is for CSV: NDJSON says the types itself');
  const identifierMember = identifierColumn ?? DEFAULT_IDENTIFIER;
  const members = { identifierMember, keepsNulls: true, ...(idColumn === undefined ? {} : { idMember: idColumn }) };
  return { format, members };
}

/** A file that is not what it should be, as a fault of the command line. */
function inputError(error: unknown): unknown {
  if (!(error instanceof RollcallError)) return error;
  const { message, metadata } = error;
  if (error.reason === 'INVALID_REQUEST') return new CommandError('USAGE', message, { cause: error });
  return new CommandError('BAD_INPUT', message, { metadata, cause: error });
}
