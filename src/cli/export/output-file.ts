import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { fileError } from '../command-error.js';
import type { Output } from '../output.js';

/** Where an export goes. */
export interface OutputFile {
  write(text: string): Promise<void>;
  /** Makes a file appear under its name, whole. */
  finish(): Promise<void>;
  /** Removes what was written so far. */
  discard(): Promise<void>;
}

/** Opens a file that is named `<path>.part` until it is finished; `-` is standard output. Throws FILE. */
export function openOutput(path: string, standardOutput: Output): OutputFile {
  if (path === '-') {
    return {
      write: (text) => standardOutput.write(text),
      finish: () => standardOutput.flush(),
      discard: () => Promise.resolve(),
    };
  }
  const part = `${path}.part`;
  const stream = createWriteStream(part, { highWaterMark: 1024 * 1024 });
  const done = finished(stream).catch((error: unknown) => {
    throw fileError(part, error);
  });
  done.catch(() => undefined);
  const drained = () => new Promise<void>((resolve) => stream.once('drain', resolve));
  return {
    write: async (text) => {
      if (stream.errored !== null) await done;
      if (!stream.write(text)) await Promise.race([drained(), done]);
    },
    finish: async () => {
      stream.end();
      await done;
      await rename(part, path).catch((error: unknown) => {
        throw fileError(path, error);
      });
    },
    discard: async () => {
      stream.destroy();
      await done.catch(() => undefined);
      await rm(part, { force: true });
    },
  };
}
