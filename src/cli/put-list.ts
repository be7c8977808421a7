import { isUtf8 } from 'node:buffer';
import type { PutListResponse } from '../gen/rollcall/v1/segment_service_pb.js';
import { SegmentService } from '../gen/rollcall/v1/segment_service_pb.js';
import type { RollcallClient } from './client.js';
import { CommandError } from './command-error.js';
import { readByteLines } from './import/byte-lines.js';

export interface ListTarget {
  readonly project: string;
  readonly name: string;
}

const BATCH_VALUES = 20_000;
const BATCH_CHARACTERS = 1024 * 1024;

/** Puts a list of values for IN conditions, replacing the one of that name. */
export function putList(
  client: RollcallClient,
  target: ListTarget,
  values: Iterable<string> | AsyncIterable<string>,
): Promise<PutListResponse> {
  return client.callWithStream(SegmentService.method.putList, partsOf(target, values));
}

/** The values of a file, one a line; blank lines are left out. Throws BAD_INPUT at a line that is not UTF-8. */
export async function* readValues(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  for await (const { line, bytes } of readByteLines(chunks)) {
    if (!isUtf8(bytes))
      throw new CommandError('BAD_INPUT', `line ${line}: the line is not UTF-8`, { metadata: { line: String(line) } });
    const value = bytes
      .toString('utf8')
      .replace(/^\uFEFF/, '')
      .replace(/\r$/, '');
    if (value !== '') yield value;
  }
}

async function* partsOf({ project, name }: ListTarget, values: Iterable<string> | AsyncIterable<string>) {
  let part: string[] = [];
  let characters = 0;
  for await (const value of values) {
    part.push(value);
    characters += value.length;
    if (part.length < BATCH_VALUES && characters < BATCH_CHARACTERS) continue;
    yield { project, name, values: part };
    part = [];
    characters = 0;
  }
  yield { project, name, values: part };
}
