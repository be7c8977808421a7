import { RollcallError } from '../core/errors.js';
import { MAX_LIST_BYTES, MAX_LIST_VALUES } from '../core/segments.js';
import type { PutListRequest } from '../gen/rollcall/v1/segment_service_pb.js';

/** A whole list as a caller sent it. `project` is '' where none was named. */
export interface UploadedList {
  readonly project: string;
  readonly name: string;
  readonly values: ReadonlySet<string>;
}

/** Reads the messages of a list, and no further than a list may be large. Throws INVALID_REQUEST or INVALID_OPERAND. */
export async function readListUpload(requests: AsyncIterable<PutListRequest>): Promise<UploadedList> {
  let first: PutListRequest | undefined;
  const values = new Set<string>();
  let received = 0;
  let bytes = 0;
  for await (const request of requests) {
    first ??= request;
    checkSameList(first, request);
    for (const value of request.values) {
      received++;
      if (values.has(value)) continue;
      values.add(value);
      bytes += Buffer.byteLength(value);
    }
    if (values.size > MAX_LIST_VALUES || bytes > MAX_LIST_BYTES) throw tooLarge();
  }
  if (first === undefined || first.name === '') throw refused('name', 'the first message names the list');
  checkSize(first, received);
  return { project: first.project, name: first.name, values };
}

function checkSameList(first: PutListRequest, request: PutListRequest): void {
  if (request.name !== '' && request.name !== first.name)
    throw refused('name', 'every message of a call is about the list that the first one names');
  if (request.project !== '' && request.project !== first.project)
    throw refused('project', 'every message of a call is about the project that the first one names');
}

function checkSize({ expectedSize }: PutListRequest, received: number): void {
  if (expectedSize === undefined || expectedSize === BigInt(received)) return;
  throw refused('expected_size', `${expectedSize} values were announced and ${received} came`);
}

function refused(field: string, message: string): RollcallError {
  return new RollcallError('INVALID_REQUEST', message, { metadata: { field } });
}

function tooLarge(): RollcallError {
  return new RollcallError(
    'INVALID_OPERAND',
    `a list holds at most ${MAX_LIST_VALUES} values and ${MAX_LIST_BYTES} bytes`,
    {
      metadata: { maxValues: String(MAX_LIST_VALUES), maxBytes: String(MAX_LIST_BYTES) },
    },
  );
}
