import { createHash } from 'node:crypto';
import { crc32c } from '../core/checksum.js';
import { RollcallError } from '../core/errors.js';

/**
 * Where a listing goes on. It grants nothing, and nobody but Rollcall reads it: `query` is a hash of what was asked, `predicate` the key of
 * what it compiled to, `after` the last ordinal that was given, `committedAtMs` the time of the revision, by which another database is told.
 */
export interface Cursor {
  readonly query: string;
  readonly predicate: string;
  readonly revision: number;
  readonly committedAtMs: number;
  readonly after: number;
}

const FORMAT = 1;

/** A cursor as text for callers: base64url, with a checksum. */
export function encodeCursor({ query, predicate, revision, committedAtMs, after }: Cursor): string {
  const body = Buffer.from(JSON.stringify([FORMAT, query, predicate.slice(0, 16), revision, committedAtMs, after]));
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(crc32c(body));
  return Buffer.concat([checksum, body]).toString('base64url');
}

/** Reads a cursor of the query `query`. Throws INVALID_CURSOR for one that is damaged or of another query. */
export function decodeCursor(text: string, query: string): Cursor {
  const bytes = Buffer.from(text, 'base64url');
  const body = bytes.subarray(4);
  if (bytes.length < 5 || bytes.toString('base64url') !== text || crc32c(body) !== bytes.readUInt32LE(0))
    throw invalid('the cursor is damaged');
  const fields = readFields(body);
  if (fields?.[0] !== FORMAT) throw invalid('the cursor is of another release');
  const [, of, predicate, revision, committedAtMs, after] = fields;
  if (of !== query) throw invalid('the cursor belongs to another query');
  return {
    query,
    predicate: String(predicate),
    revision: Number(revision),
    committedAtMs: Number(committedAtMs),
    after: Number(after),
  };
}

/** Whether a cursor was made for this predicate. */
export function isOfPredicate(cursor: Cursor, predicateKey: string): boolean {
  return cursor.predicate === predicateKey.slice(0, 16);
}

/** A hash of what was asked, to bind cursors to. */
export function hashQuery(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 16);
}

function readFields(body: Buffer): unknown[] | undefined {
  try {
    const fields: unknown = JSON.parse(body.toString());
    return Array.isArray(fields) ? fields : undefined;
  } catch {
    return undefined;
  }
}

function invalid(message: string): RollcallError {
  return new RollcallError('INVALID_CURSOR', message);
}
