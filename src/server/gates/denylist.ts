import { readFile } from 'node:fs/promises';
import { RollcallError } from '../../core/errors.js';
import type { Options } from '../options.js';

/** The organisations that are kept off whatever the flag says, as of now. */
export type Denylist = () => Promise<ReadonlySet<string>>;

/**
 * The denylist that the options name: their own keys and those of a file, one a line, which is read each time. While the file cannot be read its last content counts.
 * Throws INVALID_REQUEST where it cannot be read at first.
 */
export async function openDenylist(
  { membershipDenylist, membershipDenylistFile: path }: Options,
  onError: (error: unknown) => void,
): Promise<Denylist> {
  const fixed = membershipDenylist ?? [];
  if (path === undefined) return () => Promise.resolve(new Set(fixed));
  let known = await readKeys(path);
  return async () => {
    known = await readKeys(path).catch((error: unknown) => {
      onError(error);
      return known;
    });
    return new Set([...fixed, ...known]);
  };
}

async function readKeys(path: string): Promise<readonly string[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new RollcallError('INVALID_REQUEST', `the denylist ${path} cannot be read`, { cause });
  });
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
