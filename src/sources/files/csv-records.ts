import { MAX_IDENTIFIER_LENGTH } from '../../core/changes.js';
import { RollcallError } from '../../core/errors.js';
import { UnreadTraits } from '../../core/unread-traits.js';
import { readCell } from './column-types.js';
import { readCells } from './csv-cells.js';
import { type ColumnChoice, type CsvLayout, layOutColumns, type TraitColumn } from './csv-columns.js';
import { type FileRow, identifierProblem, type Problem, readId, type RecordReader, traitProblem } from './file-row.js';

/** Sees what a CSV file holds while it is read. */
export interface CsvObserver {
  /** The columns are known. */
  begin(layout: CsvLayout): void;
  /** The cells of a row that can be taken. */
  row(cells: readonly string[]): void;
}

/** Where reading goes on in a file whose header was read before. */
export interface CsvStart {
  readonly line: number;
  readonly columns: readonly string[] | undefined;
}

/**
 * Reads CSV: a line of column names, then one identity a row. An empty cell is no trait; empty lines and a byte order mark are left out. Reading throws
 * INVALID_DOCUMENT where the header or quotes are wrong, and INVALID_REQUEST where a chosen column is not there.
 */
export function createCsvReader(choice: ColumnChoice, start: CsvStart, observer?: CsvObserver): RecordReader {
  let line = start.line;
  let layout = start.columns === undefined ? undefined : layOutColumns(start.columns, choice);
  return {
    get line() {
      return line;
    },
    get columns() {
      return layout?.names;
    },
    read(text, from, rows) {
      const at = line === 0 && text.charCodeAt(from) === BYTE_ORDER_MARK ? from + 1 : from;
      const { cells, next } = withLine(line + 1, () => readCells(text, at));
      line += linesOf(text, at, next);
      if (cells.length === 1 && cells[0] === '' && !text.startsWith('"', at)) return next;
      if (layout === undefined) {
        layout = layOutColumns(cells, choice);
        observer?.begin(layout);
        return next;
      }
      const row = readRow(line, cells, layout);
      if ('problem' in row) rows.reject({ line, identifier: cells[layout.identifierIndex] ?? '', ...row });
      else {
        observer?.row(cells);
        rows.take(row);
      }
      return next;
    },
    passOver(record, rows) {
      line += linesOf(record, 0, record.length);
      if (layout === undefined)
        throw new RollcallError('INVALID_DOCUMENT', 'line 1: the column names are not UTF-8', {
          metadata: { line: '1' },
        });
      rows.reject({ line, identifier: '', reason: 'INVALID_DOCUMENT', problem: 'the row is not UTF-8' });
    },
    end() {
      if (layout === undefined)
        throw new RollcallError('INVALID_DOCUMENT', 'the file is empty: it must start with a line of column names');
    },
  };
}

/** Line feeds from `from` to `to`, and a last line without one. */
function linesOf(text: string, from: number, to: number): number {
  let lines = 0;
  let at = from;
  while (at < to) {
    const lineFeed = text.indexOf('\n', at);
    lines += 1;
    if (lineFeed < 0 || lineFeed >= to) break;
    at = lineFeed + 1;
  }
  return lines;
}

function withLine<Result>(line: number, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RollcallError)) throw error;
    const metadata = { ...error.metadata, line: String(line) };
    throw new RollcallError(error.reason, `line ${line}: ${error.message}`, { metadata, cause: error });
  }
}

function readRow(line: number, cells: readonly string[], layout: CsvLayout): FileRow | Problem {
  if (cells.length !== layout.names.length)
    return notTaken(`the row has ${cells.length} cells, the header ${layout.names.length}`);
  const members: string[] = [];
  const id = layout.idIndex < 0 ? undefined : readId(cells[layout.idIndex]);
  if (layout.idIndex >= 0 && id === undefined)
    return notTaken(
      `the id ${JSON.stringify(shorten(cells[layout.idIndex]))} is not a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`,
    );
  for (const column of layout.traitColumns) {
    const cell = cells[column.index] ?? '';
    if (cell === '') continue;
    const text = isSafe(cell) ? readCell(column.type, cell) : readOdd(column, cell);
    if (typeof text !== 'string')
      return text ?? notTaken(`${JSON.stringify(shorten(cell))} in the column ${column.name} is no ${column.type}`);
    members.push(column.member, text, ', ');
  }
  const identifier = cells[layout.identifierIndex] ?? '';
  const problem = isUsual(identifier) ? undefined : identifierProblem(identifier);
  if (problem !== undefined) return problem;
  const row = { line, identifier, traits: traitsOf(members) };
  return id === undefined ? row : { ...row, id };
}

/** Each is a name, a value and what comes before the next. Joined they are one piece, where what is put together bit by bit would be kept as a tree. */
function traitsOf(members: string[]): ReadonlyMap<string, string> {
  if (members.length === 0) return NO_TRAITS;
  members[0] = `{${members[0] ?? ''}`;
  members[members.length - 1] = '}';
  return new UnreadTraits(members.join(''));
}

const NO_TRAITS: ReadonlyMap<string, string> = new Map();

/** A cell that may be too large for a trait, or hold a NUL. */
function readOdd({ name, type }: TraitColumn, cell: string): string | Problem | undefined {
  return traitProblem(name, cell) ?? readCell(type, cell);
}

function isSafe(cell: string): boolean {
  return cell.length <= MAX_SAFE_CELL && !cell.includes('\0');
}

/** A cell of no more characters than this cannot be too large for a trait. */
const MAX_SAFE_CELL = 10_000;

function isUsual(identifier: string): boolean {
  return identifier !== '' && identifier.length <= MAX_IDENTIFIER_LENGTH && !identifier.includes('\0');
}

function shorten(cell = ''): string {
  return cell.slice(0, 100).toWellFormed();
}

function notTaken(problem: string): Problem {
  return { reason: 'INVALID_DOCUMENT', problem };
}

const BYTE_ORDER_MARK = 0xfeff;
