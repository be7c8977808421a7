import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isGzip } from '../../sources/files/unpack.js';
import { CommandError, fileError } from '../command-error.js';

export type InputFormat = 'csv' | 'ndjson';

/** A file that can be read more than once; standard input has become a temporary one. */
export interface InputFile {
  /** As people know it. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Its bytes from the start; `onBytes` is told how many were read so far. Throws FILE. */
  read(onBytes?: (bytes: number) => void): AsyncGenerator<Buffer>;
  /** Whether it is compressed: whether it begins as gzip does. */
  isPacked(): Promise<boolean>;
  /** Removes what is temporary. */
  dispose(): Promise<void>;
}

/** Opens a file, or standard input for `-`. Throws FILE where it cannot be read. */
export async function openInput(path: string): Promise<InputFile> {
  if (path !== '-') return inputAt(path, path, () => Promise.resolve());
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-input-'));
  const dispose = () => rm(folder, { recursive: true, force: true });
  try {
    const spool = join(folder, 'input');
    await pipeline(process.stdin, createWriteStream(spool));
    return await inputAt(spool, 'standard input', dispose);
  } catch (error) {
    await dispose();
    throw error instanceof CommandError ? error : fileError('standard input', error);
  }
}

/** The format as asked for, else by the file's extension. Throws USAGE where that says nothing. */
export function formatOf(path: string, asked: InputFormat | undefined): InputFormat {
  if (asked !== undefined) return asked;
  const format = BY_EXTENSION[extname(path.replace(/\.gz$/i, '')).toLowerCase()];
  if (format !== undefined) return format;
  throw new CommandError('USAGE', `cannot tell what ${path} is: give --format csv or --format ndjson`);
}

const BY_EXTENSION: Readonly<Record<string, InputFormat>> = { '.csv': 'csv', '.ndjson': 'ndjson', '.jsonl': 'ndjson' };

async function inputAt(path: string, name: string, dispose: () => Promise<void>): Promise<InputFile> {
  const { size } = await stat(path).catch((error: unknown) => {
    throw fileError(name, error);
  });
  const read: InputFile['read'] = (onBytes) => readChunks(path, name, onBytes);
  const isPacked = async (): Promise<boolean> => {
    for await (const chunk of read()) return isGzip(chunk);
    return false;
  };
  return { name, sizeBytes: size, read, isPacked, dispose };
}

async function* readChunks(
  path: string,
  name: string,
  onBytes: ((bytes: number) => void) | undefined,
): AsyncGenerator<Buffer> {
  const chunks: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: 256 * 1024 });
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      yield chunk;
      bytes += chunk.length;
      onBytes?.(bytes);
    }
  } catch (error) {
    throw fileError(name, error);
  }
}
