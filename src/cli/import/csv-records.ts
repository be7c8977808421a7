import { CsvError, parse } from 'csv-parse';
import { Readable } from 'node:stream';
import { CommandError } from '../command-error.js';
import type { InputFile } from './input-file.js';
import { createInvalidLines } from './invalid-lines.js';

export interface CsvRecord {
  /** The line on which it ends, from 1. */
  readonly line: number;
  readonly cells: readonly string[];
  /** Whether its bytes are text at all. */
  readonly isUtf8: boolean;
}

/** A record this long is an opening quote that nothing closes. */
const MAX_RECORD_BYTES = 16 * 1024 * 1024;

/**
 * The records of a CSV file, its header first; empty lines and a byte order mark are left out. Throws BAD_INPUT where quotes do not
 * fit: nobody can tell where the next record starts.
 */
export async function* readCsvRecords(file: InputFile, onBytes?: (bytes: number) => void): AsyncGenerator<CsvRecord> {
  const invalidLines = createInvalidLines();
  const parser = parse({
    bom: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_RECORD_BYTES,
  });
  const bytes = Readable.from(invalidLines.watch(file.read(onBytes)), { objectMode: false });
  bytes.on('error', (error) => parser.destroy(error)).pipe(parser);
  let previousLine = 0;
  try {
    const records: AsyncIterable<ParsedRecord> = parser;
    for await (const { record, info } of records) {
      yield { line: info.lines, cells: record, isUtf8: !invalidLines.hasAny(previousLine + 1, info.lines) };
      previousLine = info.lines;
    }
  } catch (error) {
    throw error instanceof CsvError ? badQuotes(error, previousLine) : error;
  } finally {
    bytes.destroy();
  }
}

interface ParsedRecord {
  readonly record: string[];
  readonly info: { readonly lines: number };
}

function badQuotes(error: CsvError, previousLine: number): CommandError {
  const line = String(previousLine + 1);
  const problem = CSV_PROBLEMS[error.code] ?? 'this is not CSV';
  return new CommandError('BAD_INPUT', `line ${line}: ${problem}`, { metadata: { line }, cause: error });
}

const CSV_PROBLEMS: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'a quote is opened in this row and never closed',
  CSV_INVALID_CLOSING_QUOTE: 'a closing quote is followed by something other than a comma or the end of the row',
  INVALID_OPENING_QUOTE: 'a quote stands in the middle of a cell that does not start with one',
  CSV_MAX_RECORD_SIZE: 'the row is longer than 16 MiB: a quote is probably never closed',
};
