import { RollcallError } from '../../core/errors.js';

/** A longer record is none: the file is not what it seems, or a quote is never closed. */
const MAX_RECORD_BYTES = 16 * 1024 * 1024;

/** A block is at least so large, unless the file ends. */
const LEAST_BLOCK_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;
const QUOTE = 0x22;

/**
 * The bytes in blocks of whole records, which end at a line feed; with `isQuoted`, at one outside of double quotes. A block is good until the next one is
 * asked for. Throws INVALID_DOCUMENT at a record of more than 16 MiB.
 */
export async function* readRecordBlocks(pieces: AsyncIterable<Uint8Array>, isQuoted: boolean): AsyncGenerator<Buffer> {
  let buffer = Buffer.allocUnsafe(4 * LEAST_BLOCK_BYTES);
  let length = 0;
  let recordEnd = 0;
  const findEnds = isQuoted ? createQuotedEnds() : lastLineFeed;
  for await (const piece of pieces) {
    if (length + piece.length > buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * buffer.length, length + piece.length));
      buffer.copy(larger, 0, 0, length);
      buffer = larger;
    }
    buffer.set(piece, length);
    length += piece.length;
    recordEnd = Math.max(recordEnd, findEnds(buffer, length - piece.length, length));
    if (length - recordEnd > MAX_RECORD_BYTES) throw tooLong();
    if (recordEnd < LEAST_BLOCK_BYTES) continue;
    yield buffer.subarray(0, recordEnd);
    buffer.copyWithin(0, recordEnd, length);
    length -= recordEnd;
    recordEnd = 0;
  }
  if (length > 0) yield buffer.subarray(0, length);
}

/** Where the record that begins at `from` ends, after its line feed. */
export function endOfRecord(bytes: Buffer, from: number, isQuoted: boolean): number {
  let isInside = false;
  for (let at = from; at < bytes.length; at++) {
    if (bytes[at] === QUOTE) isInside = isQuoted && !isInside;
    else if (bytes[at] === LINE_FEED && !isInside) return at + 1;
  }
  return bytes.length;
}

/** After the last end of a record within `from` to `to`, or 0. */
type FindEnds = (bytes: Buffer, from: number, to: number) => number;

function lastLineFeed(bytes: Buffer, from: number, to: number): number {
  const end = bytes.subarray(from, to).lastIndexOf(LINE_FEED);
  return end < 0 ? 0 : from + end + 1;
}

/** Two quotes within a quoted cell close and open it: they do not change where records end. */
function createQuotedEnds(): FindEnds {
  let isInside = false;
  return (bytes, from, to) => {
    const piece = bytes.subarray(from, to);
    if (piece.indexOf(QUOTE) < 0) return isInside ? 0 : lastLineFeed(bytes, from, to);
    let end = 0;
    for (let at = from; at < to; at++) {
      if (bytes[at] === QUOTE) isInside = !isInside;
      else if (bytes[at] === LINE_FEED && !isInside) end = at + 1;
    }
    return end;
  };
}

function tooLong(): RollcallError {
  return new RollcallError(
    'INVALID_DOCUMENT',
    `a row is longer than ${MAX_RECORD_BYTES / 1024 / 1024} MiB: this is another format, or a quote is never closed`,
  );
}
