import { isUtf8 } from 'node:buffer';

/** The lines of a byte stream that are not UTF-8, found while the stream passes through `watch`. */
export interface InvalidLines {
  watch(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer>;
  /** Whether one of the lines `from` to `to`, counted from 1, both included, is not UTF-8. Asked in rising order. */
  hasAny(from: number, to: number): boolean;
}

const LINE_FEED = 0x0a;

/** Passes on whole lines at a time, so that a reader behind it never sees a line that was not checked. */
export function createInvalidLines(): InvalidLines {
  const found: number[] = [];
  let line = 1;
  const check = (block: Buffer): void => {
    const isValid = isUtf8(block);
    let start = 0;
    for (let end = block.indexOf(LINE_FEED); end >= 0; end = block.indexOf(LINE_FEED, start)) {
      if (!isValid && !isUtf8(block.subarray(start, end))) found.push(line);
      line += 1;
      start = end + 1;
    }
    if (!isValid && start < block.length && !isUtf8(block.subarray(start))) found.push(line);
  };
  return {
    watch: async function* watch(chunks) {
      for await (const block of wholeLines(chunks)) {
        check(block);
        yield block;
      }
    },
    hasAny: (from, to) => {
      while ((found[0] ?? Infinity) < from) found.shift();
      return (found[0] ?? Infinity) <= to;
    },
  };
}

async function* wholeLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(LINE_FEED) + 1;
    if (end > 0) {
      yield Buffer.concat([...rest, chunk.subarray(0, end)]);
      rest = [];
    }
    if (end < chunk.length) rest.push(chunk.subarray(end));
  }
  if (rest.length > 0) yield Buffer.concat(rest);
}
