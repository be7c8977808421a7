import { z } from 'zod';
import { crc32c } from '../../core/checksum.js';
import { RollcallError } from '../../core/errors.js';

const CURSOR = z.object({
  line: z.int().nonnegative(),
  /** Unpacked, up to the end of the last record taken. */
  bytes: z.int().nonnegative(),
  /** CRC32C of these bytes. */
  checksum: z.int().nonnegative(),
  /** Of a CSV file whose header is among these bytes. */
  columns: z.array(z.string()).exactOptional(),
});

/** How far a file was read. */
export type FileCursor = z.infer<typeof CURSOR>;

export const FILE_START: FileCursor = { line: 0, bytes: 0, checksum: 0 };

/** Throws INVALID_DOCUMENT for a text that is no cursor of a file. */
export function readFileCursor(text: string): FileCursor {
  try {
    return CURSOR.parse(JSON.parse(text));
  } catch (cause) {
    throw new RollcallError('INVALID_DOCUMENT', 'the load that is to go on did not read a file', { cause });
  }
}

/** The bytes after the cursor. Throws INVALID_DOCUMENT where those before it are not the ones that were read. */
export async function* bytesAfter(pieces: AsyncIterable<Uint8Array>, cursor: FileCursor): AsyncGenerator<Uint8Array> {
  let passed = 0;
  let checksum = 0;
  for await (const piece of pieces) {
    const before = piece.subarray(0, Math.max(0, cursor.bytes - passed));
    if (before.length > 0) {
      checksum = crc32c(before, checksum);
      passed += before.length;
      if (passed === cursor.bytes && checksum !== cursor.checksum) throw anotherFile();
    }
    if (before.length < piece.length) yield piece.subarray(before.length);
  }
  if (passed < cursor.bytes) throw anotherFile();
}

function anotherFile(): RollcallError {
  return new RollcallError(
    'INVALID_DOCUMENT',
    'this is not the file that was being loaded: what was read of that one is different. Load it from the start',
  );
}
