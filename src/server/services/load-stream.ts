import { RollcallError } from '../../core/errors.js';
import type { LoadRequest, LoadStart } from '../../gen/rollcall/v1/index_service_pb.js';
import { untilAborted } from '../../sources/files/until-aborted.js';

/** A file that a caller sends. */
export interface IncomingFile {
  readonly start: LoadStart;
  /** Ends at once when the call does, by a RollcallError unless the caller ended it well. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Reads what a call of Load begins with. Throws INVALID_REQUEST where that is missing. */
export async function openLoad(requests: AsyncIterable<LoadRequest>, signal: AbortSignal): Promise<IncomingFile> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true || first.value.part.case !== 'start')
    throw new RollcallError('INVALID_REQUEST', 'the first message says what is loaded: `start`', {
      metadata: { field: 'start' },
    });
  const rest = { [Symbol.asyncIterator]: () => iterator };
  return { start: first.value.part.value, bytes: bytesOf(untilAborted(rest, signal), signal) };
}

async function* bytesOf(requests: AsyncIterable<LoadRequest>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const { part } of requests) {
      if (part.case !== 'data')
        throw new RollcallError('INVALID_REQUEST', 'only the first message is a `start`', {
          metadata: { field: 'data' },
        });
      yield part.value;
    }
  } catch (cause) {
    if (cause instanceof RollcallError) throw cause;
    if (signal.reason instanceof RollcallError) throw signal.reason;
    throw new RollcallError('CANCELLED', 'the caller went away', { cause });
  }
}
