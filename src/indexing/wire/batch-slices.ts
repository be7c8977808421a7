import { type Cursor, NotPlain, readByte, readLength } from './plain-wire-form.js';

/** The tag of `ApplyChangesRequest.changes`. */
const CHANGES = 0x0a;

/**
 * The bytes of each `IdentityChange` in those of an `ApplyChangesRequest`, as parts of them; undefined where that holds anything else, or more than
 * `maxChanges`: then it is for the generated decoder.
 */
export function sliceBatch(bytes: Buffer, maxChanges: number): Buffer[] | undefined {
  const cursor: Cursor = { bytes, at: 0, end: bytes.length };
  const slices: Buffer[] = [];
  try {
    while (cursor.at < cursor.end) {
      if (readByte(cursor) !== CHANGES) return undefined;
      const length = readLength(cursor);
      slices.push(bytes.subarray(cursor.at, cursor.at + length));
      cursor.at += length;
      if (slices.length > maxChanges) return undefined;
    }
    return slices;
  } catch (error) {
    if (error instanceof NotPlain) return undefined;
    throw error;
  }
}
