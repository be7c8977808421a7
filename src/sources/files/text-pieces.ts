import { isAscii, isUtf8 } from 'node:buffer';
import { endOfRecord } from './record-blocks.js';

/** Records as text. */
export interface TextPiece {
  readonly text: string;
  readonly bytes: Buffer;
  /** Each character is one byte. */
  readonly isAscii: boolean;
  /** If not, it is one record, and `text` is not what it says. */
  readonly isUtf8: boolean;
}

/** A block of whole records as text: in one piece, unless something in it is no UTF-8. */
export function* textPieces(block: Buffer, isQuoted: boolean): Generator<TextPiece> {
  if (isAscii(block)) yield { text: block.toString('latin1'), bytes: block, isAscii: true, isUtf8: true };
  else if (isUtf8(block)) yield { text: block.toString('utf8'), bytes: block, isAscii: false, isUtf8: true };
  else yield* recordPieces(block, isQuoted);
}

function* recordPieces(block: Buffer, isQuoted: boolean): Generator<TextPiece> {
  for (let from = 0; from < block.length;) {
    const to = endOfRecord(block, from, isQuoted);
    const bytes = block.subarray(from, to);
    yield { text: bytes.toString('utf8'), bytes, isAscii: false, isUtf8: isUtf8(bytes) };
    from = to;
  }
}
