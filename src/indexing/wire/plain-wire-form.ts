import { isUtf8 } from 'node:buffer';

/** Thrown, without a stack of its own, for what is not in plain form: such a message is left to the generated decoder. */
export class NotPlain extends Error {}
export const NOT_PLAIN = new NotPlain();

/** Where the reading stands, and where the innermost message ends. */
export interface Cursor {
  readonly bytes: Buffer;
  at: number;
  end: number;
}

/** Text that Postgres can store: UTF-8 without NUL characters. */
export function textOf(bytes: Buffer, start: number, end: number): string {
  let isAscii = true;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0;
    if (byte === 0) throw NOT_PLAIN;
    if (byte > 0x7f) isAscii = false;
  }
  if (isAscii) return bytes.toString('latin1', start, end);
  if (!isUtf8(bytes.subarray(start, end))) throw NOT_PLAIN;
  return bytes.toString('utf8', start, end);
}

/** Begins a message within the message; the end of the outer one. */
export function enter(cursor: Cursor): number {
  const outerEnd = cursor.end;
  const length = readLength(cursor);
  cursor.end = cursor.at + length;
  return outerEnd;
}

/** A length that fits what is left of the message. */
export function readLength(cursor: Cursor): number {
  let length = readByte(cursor);
  if (length >= 0x80) {
    const second = readByte(cursor);
    length = (length & 0x7f) | ((second & 0x7f) << 7);
    if (second >= 0x80) {
      const third = readByte(cursor);
      if (third >= 0x80) throw NOT_PLAIN;
      length |= third << 14;
    }
  }
  if (cursor.at + length > cursor.end) throw NOT_PLAIN;
  return length;
}

export function readByte(cursor: Cursor): number {
  const { at } = cursor;
  const byte = cursor.bytes[at];
  if (byte === undefined || at >= cursor.end) throw NOT_PLAIN;
  cursor.at = at + 1;
  return byte;
}

/** The two halves of 64 bits, each as an unsigned number. */
export function readVarint(cursor: Cursor): { readonly low: number; readonly high: number } {
  let low = 0;
  let high = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = readByte(cursor);
    const bits = byte & 0x7f;
    if (shift < 28) low |= bits << shift;
    else if (shift === 28) {
      low |= bits << 28;
      high = bits >> 4;
    } else high |= bits << (shift - 32);
    if (byte < 0x80) return { low: low >>> 0, high: high >>> 0 };
  }
  throw NOT_PLAIN;
}
