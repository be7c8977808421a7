import { RollcallError } from '../../core/errors.js';

/** The cells of one record, and where the next one begins. */
export interface CsvCells {
  readonly cells: readonly string[];
  readonly next: number;
}

/**
 * Reads the record of RFC 4180 that begins at `at`, to its line feed or the end of the text. Throws INVALID_DOCUMENT, without a line, where quotes do not
 * fit.
 */
export function readCells(text: string, at: number): CsvCells {
  const lineFeed = text.indexOf('\n', at);
  const end = lineFeed < 0 ? text.length : lineFeed;
  const line = text.slice(at, end > at && text.charCodeAt(end - 1) === CARRIAGE_RETURN ? end - 1 : end);
  if (line.includes('"')) return readQuoted(text, at);
  return { cells: line.split(','), next: lineFeed < 0 ? end : end + 1 };
}

function readQuoted(text: string, from: number): CsvCells {
  const cells: string[] = [];
  for (let at = from; ;) {
    const cell = text.charCodeAt(at) === QUOTE ? quotedCell(text, at) : plainCell(text, at);
    cells.push(cell.value);
    if (text.charCodeAt(cell.end) !== COMMA) return { cells, next: afterLineEnd(text, cell.end) };
    at = cell.end + 1;
  }
}

interface Cell {
  readonly value: string;
  readonly end: number;
}

function quotedCell(text: string, at: number): Cell {
  let hasQuotes = false;
  let close = text.indexOf('"', at + 1);
  for (; close >= 0 && text.charCodeAt(close + 1) === QUOTE; close = text.indexOf('"', close + 2)) hasQuotes = true;
  if (close < 0) throw badQuotes('a quote is opened in this row and never closed');
  const end = close + 1;
  if (end < text.length && text.charCodeAt(end) !== COMMA && afterLineEnd(text, end) === end)
    throw badQuotes('a closing quote is followed by something other than a comma or the end of the row');
  const value = text.slice(at + 1, close);
  return { value: hasQuotes ? value.replaceAll('""', '"') : value, end };
}

function plainCell(text: string, at: number): Cell {
  let end = at;
  for (let code = text.charCodeAt(end); end < text.length && code !== COMMA; code = text.charCodeAt(++end)) {
    if (code === QUOTE) throw badQuotes('a quote stands in the middle of a cell that does not start with one');
    if (afterLineEnd(text, end) !== end) break;
  }
  return { value: text.slice(at, end), end };
}

/** After the line feed at `at`, and a carriage return before it; `at` itself where there is none. */
function afterLineEnd(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === LINE_FEED) return at + 1;
  if (code !== CARRIAGE_RETURN) return at;
  if (at + 1 === text.length) return at + 1;
  return text.charCodeAt(at + 1) === LINE_FEED ? at + 2 : at;
}

function badQuotes(problem: string): RollcallError {
  return new RollcallError('INVALID_DOCUMENT', problem);
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;
const COMMA = 0x2c;
