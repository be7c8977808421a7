import { fromBinary } from '@bufbuild/protobuf';
import type { DescMessage, DescMethod, MessageShape } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel as Idempotency } from '@bufbuild/protobuf/wkt';
import { LRUCache } from 'lru-cache';
import { RollcallError } from '../../core/errors.js';
import { checkMessage } from './validation.js';

/** Requests that are longer than this are decoded anew each time: it is the short ones that callers repeat. */
const MAX_KEPT_BYTES = 512;
/** Bytes of the requests that are kept of one method. Decoded, they take up to a few hundred times as much. */
const MAX_BYTES_OF_METHOD = 64 * 1024;

/** Decodes a request. Throws INVALID_REQUEST. */
export function decodeRequest<I extends DescMessage>(input: I, bytes: Uint8Array): MessageShape<I> {
  try {
    return fromBinary(input, bytes);
  } catch (cause) {
    throw new RollcallError('INVALID_REQUEST', 'the request cannot be decoded', { metadata: { field: '' }, cause });
  }
}

/**
 * Decodes and checks the requests of a method; throws as `decodeRequest` and `checkMessage`. A method without side effects is asked the same over and over:
 * what its last valid requests were decoded to is kept under their bytes, so it must not be changed.
 */
export function createRequestReader<I extends DescMessage>(
  desc: DescMethod & { readonly input: I },
): (bytes: Uint8Array) => MessageShape<I> {
  const read = (bytes: Uint8Array): MessageShape<I> => {
    const request = decodeRequest(desc.input, bytes);
    checkMessage(desc.input, request);
    return request;
  };
  if (desc.idempotency !== Idempotency.NO_SIDE_EFFECTS) return read;
  const kept = new LRUCache<string, MessageShape<I>>({ maxSize: MAX_BYTES_OF_METHOD });
  return (bytes) => {
    if (bytes.length > MAX_KEPT_BYTES) return read(bytes);
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    const known = kept.get(key);
    if (known !== undefined) return known;
    // A copy, as a message may refer to the bytes that it was decoded from, and those to a larger buffer.
    const request = read(Uint8Array.from(bytes));
    kept.set(key, request, { size: bytes.length + 1 });
    return request;
  };
}
