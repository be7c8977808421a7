import { decompress as decompressZstd } from 'fzstd';
import { decompressFrame } from 'lz4-napi';
import { uncompress } from 'snappy';

/** How the records of a batch are packed. */
export interface Codec {
  decompress(packed: Buffer): Promise<Buffer>;
}

/** Java's producers write snappy as blocks behind this mark, a version and a compatible version; librdkafka and others as one bare block. */
const XERIAL_MARK = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;

/** Snappy in either form. */
export const snappyCodec: Codec = {
  async decompress(packed) {
    if (!packed.subarray(0, XERIAL_MARK.length).equals(XERIAL_MARK)) return asBuffer(await uncompress(packed));
    const blocks: Buffer[] = [];
    for (let at = XERIAL_HEADER_BYTES; at < packed.length;) {
      const end = at + 4 + packed.readUInt32BE(at);
      blocks.push(asBuffer(await uncompress(packed.subarray(at + 4, end))));
      at = end;
    }
    return Buffer.concat(blocks);
  },
};

/** LZ4 in its frame format. */
export const lz4Codec: Codec = { decompress: (packed) => decompressFrame(packed) };

/** Zstandard. */
export const zstdCodec: Codec = { decompress: (packed) => Promise.resolve(asBuffer(decompressZstd(packed))) };

function asBuffer(bytes: Uint8Array | string): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
