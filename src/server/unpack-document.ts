import { gunzipSync } from 'node:zlib';
import { invalidDocument } from '../core/import/document-node.js';
import { documentTooLarge, MAX_DOCUMENT_BYTES } from '../core/import/read-document.js';

/** A document's bytes, unpacked where they are gzip: never more than `maxBytes`. Throws INVALID_DOCUMENT where there are more, or the gzip is not whole. */
export function unpackDocument(bytes: Uint8Array, maxBytes: number = MAX_DOCUMENT_BYTES): Uint8Array {
  if (!isGzip(bytes)) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof RangeError) throw documentTooLarge(maxBytes);
    throw invalidDocument('', 'is not whole as gzip', error);
  }
}

/** Whether the bytes begin as gzip does. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}
