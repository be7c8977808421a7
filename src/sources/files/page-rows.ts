import { crc32c } from '../../core/checksum.js';
import {
  MAX_PAGE_BYTES,
  MAX_PAGE_IDENTITIES,
  type SkippedRow,
  type SourceIdentity,
  type SourcePage,
} from '../../core/source.js';
import type { FileCursor } from './file-cursor.js';
import {
  type BadRow,
  type FileRow,
  failureOf,
  identifierProblem,
  type RecordReader,
  type RowSink,
} from './file-row.js';
import type { TextPiece } from './text-pieces.js';

/** Gathers the rows of a page, and knows how far the file is read. */
export class PageRows implements RowSink {
  readonly #options: { readonly environmentKey: string; readonly badRows: 'stop' | 'skip' };
  readonly #records: RecordReader;
  #identities: SourceIdentity[] = [];
  #skipped: SkippedRow[] = [];
  /** Characters of the records since the last page. */
  #size = 0;
  #cursor: FileCursor;
  #piece: TextPiece = { text: '', bytes: Buffer.alloc(0), isAscii: true, isUtf8: true };
  /** In the piece: up to where records are read, and up to where the cursor counts. */
  #at = 0;
  #line: number;
  #countedAt = 0;
  #countedByte = 0;

  constructor(options: { environmentKey: string; badRows: 'stop' | 'skip' }, start: FileCursor, records: RecordReader) {
    this.#options = options;
    this.#cursor = start;
    this.#line = start.line;
    this.#records = records;
  }

  get hasAny(): boolean {
    return this.#identities.length + this.#skipped.length > 0;
  }

  /** Of the file, unpacked, that are read up to the last piece that has ended. */
  get bytes(): number {
    return this.#cursor.bytes;
  }

  get isFull(): boolean {
    return this.#identities.length + this.#skipped.length >= MAX_PAGE_IDENTITIES || this.#size >= MAX_PAGE_BYTES;
  }

  take(row: FileRow): void {
    const { identifier, id, traits } = row;
    const { environmentKey } = this.#options;
    this.#identities.push(
      id === undefined ? { environmentKey, identifier, traits } : { environmentKey, identifier, id, traits },
    );
  }

  reject(bad: BadRow): void {
    if (this.#options.badRows === 'stop') throw failureOf(bad);
    const { line, identifier, reason, problem: explanation } = bad;
    const known = identifierProblem(identifier) === undefined ? identifier : '';
    const { environmentKey } = this.#options;
    this.#skipped.push({ where: `line ${line}`, environmentKey, identifier: known, reason, explanation });
  }

  /** Records of this piece come next. */
  begin(piece: TextPiece): void {
    this.#piece = piece;
    this.#at = 0;
    this.#countedAt = 0;
    this.#countedByte = 0;
  }

  /** The piece is read up to this character. */
  advance(to: number): void {
    this.#size += to - this.#at;
    this.#at = to;
    this.#line = this.#records.line;
  }

  /** The piece's bytes will not be there any more. */
  end(): void {
    this.#count();
  }

  /** The page of the rows so far; there is at least one. */
  page(): SourcePage {
    this.#count();
    const page = {
      identities: this.#identities,
      skipped: this.#skipped,
      cursor: JSON.stringify(this.#cursor),
      position: this.#cursor.bytes,
    };
    this.#identities = [];
    this.#skipped = [];
    this.#size = 0;
    return page;
  }

  #count(): void {
    const { bytes, text, isAscii, isUtf8 } = this.#piece;
    if (this.#at === this.#countedAt) return;
    const isWhole = this.#at === text.length;
    const length =
      isAscii || !isUtf8 ? this.#at - this.#countedAt : Buffer.byteLength(text.slice(this.#countedAt, this.#at));
    const end = isWhole ? bytes.length : this.#countedByte + length;
    const counted = bytes.subarray(this.#countedByte, end);
    const { columns } = this.#records;
    this.#cursor = {
      line: this.#line,
      bytes: this.#cursor.bytes + counted.length,
      checksum: crc32c(counted, this.#cursor.checksum),
      ...(columns === undefined ? {} : { columns: [...columns] }),
    };
    this.#countedAt = this.#at;
    this.#countedByte = end;
  }
}
