import { crc32c as crc32cOf } from '@node-rs/crc32';

/** CRC32C (Castagnoli) of `bytes`, continuing from `initial`; an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, initial = 0): number {
  return crc32cOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), initial);
}
