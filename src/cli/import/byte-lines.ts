import { CommandError } from '../command-error.js';

export interface ByteLine {
  /** From 1. */
  readonly line: number;
  /** Without its line feed. */
  readonly bytes: Buffer;
}

const LINE_FEED = 0x0a;

/** A longer line is no line: the file is not what it seems. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** The lines of a file, split at line feeds only. Throws BAD_INPUT at a line of more than 64 MiB. */
export async function* readByteLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<ByteLine> {
  let line = 0;
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      const part = chunk.subarray(start, end);
      yield { line: ++line, bytes: rest.length === 0 ? part : Buffer.concat([...rest, part]) };
      rest = [];
      restBytes = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    rest.push(chunk.subarray(start));
    restBytes += chunk.length - start;
    if (restBytes > MAX_LINE_BYTES) throw new CommandError('BAD_INPUT', `line ${line + 1} is longer than 64 MiB`);
  }
  if (rest.length > 0) yield { line: line + 1, bytes: Buffer.concat(rest) };
}
