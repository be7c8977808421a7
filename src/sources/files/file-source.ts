import { setImmediate } from 'node:timers/promises';
import { RollcallError } from '../../core/errors.js';
import type { IdentitySource, SourcePage } from '../../core/source.js';
import type { MemberChoice } from './careful-line.js';
import { createCsvReader, type CsvObserver } from './csv-records.js';
import type { ColumnChoice } from './csv-columns.js';
import { bytesAfter, FILE_START, type FileCursor, readFileCursor } from './file-cursor.js';
import { PageRows } from './page-rows.js';
import type { RecordReader, RowSink } from './file-row.js';
import { createNdjsonReader } from './ndjson-records.js';
import { readRecordBlocks } from './record-blocks.js';
import { type TextPiece, textPieces } from './text-pieces.js';
import { unpack } from './unpack.js';
import { untilAborted } from './until-aborted.js';

/** How a file is read. */
export type FileLayout =
  | { readonly format: 'ndjson'; readonly members: MemberChoice }
  | { readonly format: 'csv'; readonly columns: ColumnChoice; readonly observer?: CsvObserver };

/** Tells `rows` of all rows of a file, NDJSON or CSV, plain or gzip; gives how many bytes, unpacked, are read. Throws as pages of a source do. */
export async function* readRows(
  pieces: AsyncIterable<Uint8Array>,
  layout: FileLayout,
  rows: RowSink,
): AsyncGenerator<number> {
  const isQuoted = layout.format === 'csv';
  const records = readerOf(layout, FILE_START);
  let bytes = 0;
  for await (const block of readRecordBlocks(unpack(pieces), isQuoted)) {
    for (const { text, isUtf8 } of textPieces(block, isQuoted)) {
      if (!isUtf8) records.passOver(text, rows);
      else for (let at = 0; at < text.length;) at = records.read(text, at, rows);
    }
    bytes += block.length;
    yield bytes;
  }
  records.end();
}

/** What a file is loaded by. */
export interface FileOptions {
  /** For people. */
  readonly name: string;
  readonly environmentKey: string;
  readonly layout: FileLayout;
  readonly ordinalMode: IdentitySource['ordinalMode'];
  /** stop: the pages end with an error at the first row that cannot be taken, after a page of those before it. */
  readonly badRows: 'stop' | 'skip';
  /** Unpacked, where that is known: then fewer are an error. */
  readonly sizeBytes?: number;
}

/**
 * The identities of a file of NDJSON or CSV, plain or gzip, of which these are the bytes, from its beginning even where reading goes on after a cursor. They can
 * be read once. `pages` throws INVALID_DOCUMENT where the file is not what it should be, or not the one that the cursor is of; with metadata `line` where a line is at fault.
 */
export function createFileSource(pieces: AsyncIterable<Uint8Array>, options: FileOptions): IdentitySource {
  const { name, ordinalMode, sizeBytes } = options;
  return {
    name,
    ordinalMode,
    estimate: () => Promise.resolve(sizeBytes === undefined ? undefined : { total: sizeBytes, unit: 'bytes' }),
    pages(after, signal) {
      const start = after === undefined ? FILE_START : readFileCursor(after);
      return readPages(untilAborted(pieces, signal), start, options);
    },
    close: () => Promise.resolve(),
  };
}

async function* readPages(
  bytes: AsyncIterable<Uint8Array>,
  start: FileCursor,
  options: FileOptions,
): AsyncGenerator<SourcePage> {
  const isQuoted = options.layout.format === 'csv';
  const records = readerOf(options.layout, start);
  const rows = new PageRows(options, start, records);
  const blocks = readRecordBlocks(bytesAfter(unpack(bytes), start), isQuoted);
  for await (const block of blocks) {
    for (const piece of textPieces(block, isQuoted)) yield* readPiece(piece, records, rows);
    // What is there already is read without a pause, and the page before would not be sent meanwhile.
    await setImmediate();
  }
  if (rows.hasAny) yield rows.page();
  records.end();
  checkWhole(rows.bytes, options);
}

/** A sender that was cut off must not look like one that is done. */
function checkWhole(bytes: number, { name, sizeBytes = 0 }: FileOptions): void {
  if (bytes >= sizeBytes) return;
  throw new RollcallError('SOURCE_UNAVAILABLE', `of the file's ${sizeBytes} bytes only ${bytes} came`, {
    metadata: { source: name },
  });
}

/** Reads the records of a piece; gives each page that is full, and before an error what came before it. */
function* readPiece(piece: TextPiece, records: RecordReader, rows: PageRows): Generator<SourcePage> {
  const { text } = piece;
  rows.begin(piece);
  for (let at = 0; at < text.length;) {
    let next = text.length;
    try {
      if (piece.isUtf8) next = records.read(text, at, rows);
      else records.passOver(text, rows);
      rows.advance(next);
    } catch (error) {
      if (rows.hasAny) yield rows.page();
      throw error;
    }
    if (rows.isFull) yield rows.page();
    at = next;
  }
  rows.end();
}

function readerOf(layout: FileLayout, start: FileCursor): RecordReader {
  if (layout.format === 'ndjson') return createNdjsonReader(layout.members, start.line);
  return createCsvReader(layout.columns, { line: start.line, columns: start.columns }, layout.observer);
}
