import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { RollcallError } from '../../core/errors.js';

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
const PIECE_BYTES = 256 * 1024;

/** The bytes, unpacked where they begin as gzip does. Throws INVALID_DOCUMENT where they are no gzip after all, or end half-way. */
export async function* unpack(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]();
  try {
    const head = await readHead(iterator);
    const all = continued(head, iterator);
    yield* isGzip(head) ? gunzip(all) : all;
  } finally {
    await iterator.return?.();
  }
}

/** Whether bytes begin as gzip does. */
export function isGzip(bytes: Uint8Array): boolean {
  return GZIP_MAGIC.equals(bytes.subarray(0, GZIP_MAGIC.length));
}

/** At least as many bytes as tell, where there are so many. */
async function readHead(iterator: AsyncIterator<Uint8Array>): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < GZIP_MAGIC.length) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  return head;
}

async function* continued(head: Buffer, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
}

async function* gunzip(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const packed = Readable.from(pieces, { objectMode: false });
  const unpacked = createGunzip({ chunkSize: PIECE_BYTES });
  let sourceError: { readonly error: unknown } | undefined;
  packed.on('error', (error) => {
    sourceError = { error };
    unpacked.destroy(error);
  });
  packed.pipe(unpacked);
  try {
    const chunks: AsyncIterable<Buffer> = unpacked;
    yield* chunks;
  } catch (cause) {
    if (sourceError !== undefined) throw sourceError.error;
    throw new RollcallError('INVALID_DOCUMENT', 'the file begins as gzip does, but is damaged or ends half-way', {
      cause,
    });
  } finally {
    packed.destroy();
    unpacked.destroy();
  }
}
