import type { PutListResponse } from '../gen/rollcall/v1/segment_service_pb.js';
import { SegmentService } from '../gen/rollcall/v1/segment_service_pb.js';
import { readRecordBlocks } from '../sources/files/record-blocks.js';
import { textPieces } from '../sources/files/text-pieces.js';
import type { RollcallClient } from './client.js';
import { CommandError } from './command-error.js';

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
  let line = 0;
  for await (const block of readRecordBlocks(chunks, false))
    for (const { text, isUtf8 } of textPieces(block, false)) {
      if (!isUtf8) throw notUtf8(line + 1);
      const lines = text.split('\n');
      // What follows the last line feed is no line.
      if (text.endsWith('\n')) lines.pop();
      line += lines.length;
      for (const each of lines) {
        const value = each.replace(/^\uFEFF/, '').replace(/\r$/, '');
        if (value !== '') yield value;
      }
    }
}

function notUtf8(line: number): CommandError {
  return new CommandError('BAD_INPUT', `line ${line}: the line is not UTF-8`, { metadata: { line: String(line) } });
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
