import { crc32c } from '../../core/checksum.js';
import { RollcallError } from '../../core/errors.js';

const DEFAULT_PAGE_SIZE = 100;

/** The size of a page of a list; 0 is the default. */
export function pageSizeOf(pageSize: number): number {
  return pageSize === 0 ? DEFAULT_PAGE_SIZE : pageSize;
}

/** A page token that goes on after a name. */
export function writeNameToken(name = ''): string {
  const body = Buffer.from(name);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(crc32c(body));
  return Buffer.concat([checksum, body]).toString('base64url');
}

/** The name that a page goes on after; '' for the first page. Throws INVALID_CURSOR. */
export function readNameToken(token: string): string {
  if (token === '') return '';
  const bytes = Buffer.from(token, 'base64url');
  const body = bytes.subarray(4);
  if (bytes.length < 5 || crc32c(body) !== bytes.readUInt32LE(0))
    throw new RollcallError('INVALID_CURSOR', 'the page token is damaged');
  return body.toString();
}

/** A page token that goes on after an id; '' after none. */
export function writeIdToken(id: number | undefined): string {
  return id === undefined ? '' : writeNameToken(String(id));
}

/** The id after which a page goes on; 0 for the first page. Throws INVALID_CURSOR. */
export function readIdToken(token: string): number {
  const id = Number(readNameToken(token));
  if (Number.isSafeInteger(id)) return id;
  throw new RollcallError('INVALID_CURSOR', 'the page token is of another list');
}
