import type { TraitValue } from '../../core/values.js';
import { CommandError } from '../command-error.js';
import type { BadRows } from './bad-rows.js';
import type { ColumnSummary, ColumnType } from './column-types.js';
import { createColumnObserver, readCell } from './column-types.js';
import type { CsvRecord } from './csv-records.js';
import { readCsvRecords } from './csv-records.js';
import type { ImportRow } from './import-rows.js';
import { createIdentifierCheck, readId, traitProblem } from './import-rows.js';
import type { InputFile } from './input-file.js';

export interface ColumnChoice {
  readonly identifierColumn?: string;
  readonly idColumn?: string;
  /** Types that are given rather than inferred, by column. */
  readonly types: ReadonlyMap<string, ColumnType>;
}

export interface TraitColumn extends ColumnSummary {
  readonly name: string;
  readonly index: number;
}

/** How the rows of a CSV file are read, found by reading all of it once. */
export interface CsvPlan {
  readonly identifierColumn: string;
  readonly rows: number;
  /** Those that become traits, in the file's order. */
  readonly columns: readonly TraitColumn[];
}

interface Layout {
  readonly identifierColumn: string;
  readonly width: number;
  readonly identifierIndex: number;
  readonly idIndex: number;
  readonly traitColumns: readonly {
    readonly name: string;
    readonly index: number;
    readonly givenType: ColumnType | undefined;
  }[];
}

type Progress = (bytes: number) => void;

/** Reads the whole file: checks each row, and finds the type on which each column's cells agree. Throws BAD_INPUT and USAGE. */
export async function planCsv(
  file: InputFile,
  choice: ColumnChoice,
  badRows: BadRows,
  onBytes: Progress,
): Promise<CsvPlan> {
  const records = readCsvRecords(file, onBytes);
  const layout = await readLayout(records, file, choice);
  const observers = layout.traitColumns.map(({ index, givenType }) => ({
    index,
    givenType,
    observer: createColumnObserver(),
  }));
  let rows = 0;
  for await (const { cells } of goodRecords(records, layout, badRows)) {
    rows += 1;
    for (const { index, observer } of observers) observer.observe(cells[index] ?? '');
  }
  const columns = layout.traitColumns.map(({ name, index, givenType }, position) => {
    const summary = observers[position]?.observer.summary() ?? createColumnObserver().summary();
    return { name, index, ...summary, type: givenType ?? summary.type };
  });
  return { identifierColumn: layout.identifierColumn, rows, columns };
}

/** The rows of a file that was planned, with their traits typed; an empty cell is no trait. */
export async function* readCsvRows(
  file: InputFile,
  choice: ColumnChoice,
  plan: CsvPlan,
  badRows: BadRows,
  onBytes: Progress,
): AsyncGenerator<ImportRow> {
  const records = readCsvRecords(file, onBytes);
  const layout = await readLayout(records, file, choice);
  for await (const { line, cells } of goodRecords(records, layout, badRows)) {
    const id = readId(cells[layout.idIndex]);
    const row = { line, identifier: cells[layout.identifierIndex] ?? '', traits: traitsOf(cells, plan.columns) };
    yield id === undefined ? row : { ...row, id };
  }
}

function traitsOf(cells: readonly string[], columns: readonly TraitColumn[]): Record<string, TraitValue> {
  const traits: [string, TraitValue][] = [];
  for (const { name, index, type } of columns) {
    const cell = cells[index] ?? '';
    const value = cell === '' || type === 'empty' ? undefined : readCell(type, cell);
    if (value !== undefined) traits.push([name, value]);
  }
  return Object.fromEntries(traits);
}

async function readLayout(records: AsyncGenerator<CsvRecord>, file: InputFile, choice: ColumnChoice): Promise<Layout> {
  const first = await records.next();
  if (first.done === true)
    throw new CommandError('BAD_INPUT', `${file.name} is empty: it must start with a line of column names`);
  const { cells: header, isUtf8 } = first.value;
  if (!isUtf8)
    throw new CommandError('BAD_INPUT', 'line 1: the column names are not UTF-8', { metadata: { line: '1' } });
  checkHeader(header);
  const identifierColumn =
    choice.identifierColumn ?? ['identifier', 'id'].find((name) => header.includes(name) && name !== choice.idColumn);
  if (identifierColumn === undefined) {
    throw new CommandError(
      'USAGE',
      `no column is named identifier or id: name one of ${header.join(', ')} by --identifier-column`,
    );
  }
  for (const name of [identifierColumn, choice.idColumn, ...choice.types.keys()]) {
    if (name !== undefined && !header.includes(name))
      throw new CommandError('USAGE', `there is no column ${name} among ${header.join(', ')}`);
  }
  const identifierIndex = header.indexOf(identifierColumn);
  const idIndex = choice.idColumn === undefined ? -1 : header.indexOf(choice.idColumn);
  const traitColumns = header
    .map((name, index) => ({ name, index, givenType: choice.types.get(name) }))
    .filter(({ index }) => index !== identifierIndex && index !== idIndex);
  return { identifierColumn, width: header.length, identifierIndex, idIndex, traitColumns };
}

function checkHeader(header: readonly string[]): void {
  const twice = header.find((name, index) => header.indexOf(name) !== index);
  const problem =
    twice !== undefined
      ? `two columns are named ${JSON.stringify(twice)}`
      : header.includes('')
        ? `column ${header.indexOf('') + 1} has no name`
        : header.map((name) => traitProblem(name, '')).find((found) => found !== undefined);
  if (problem !== undefined) throw new CommandError('BAD_INPUT', `line 1: ${problem}`, { metadata: { line: '1' } });
}

async function* goodRecords(
  records: AsyncGenerator<CsvRecord>,
  layout: Layout,
  badRows: BadRows,
): AsyncGenerator<CsvRecord> {
  const identifiers = createIdentifierCheck(badRows);
  for await (const record of records) {
    const problem = rowProblem(record, layout);
    if (problem !== undefined) badRows.reject(record.line, problem);
    else if (identifiers.accept(record.line, record.cells[layout.identifierIndex] ?? '')) yield record;
  }
}

/** A cell of no more characters than this cannot be too large for a trait. */
const SHORT_CELL = 10_000;

function rowProblem({ cells, isUtf8 }: CsvRecord, layout: Layout): string | undefined {
  if (!isUtf8) return 'the row is not UTF-8';
  if (cells.length !== layout.width) return `the row has ${cells.length} cells, the header ${layout.width}`;
  if (layout.idIndex >= 0 && readId(cells[layout.idIndex]) === undefined) {
    return `the id ${JSON.stringify(cells[layout.idIndex] ?? '')} is not a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`;
  }
  for (const { name, index, givenType } of layout.traitColumns) {
    const cell = cells[index] ?? '';
    const problem = cell.length > SHORT_CELL || cell.includes('\0') ? traitProblem(name, cell) : undefined;
    if (problem !== undefined) return problem;
    if (givenType !== undefined && cell !== '' && readCell(givenType, cell) === undefined) {
      return `${JSON.stringify(cell.slice(0, 100))} in the column ${name} is no ${givenType}`;
    }
  }
  return undefined;
}
