/** Bytes of a protobuf message that is being written: `length` of `bytes` are, which grow as needed. */
export interface WireOutput {
  bytes: Buffer;
  length: number;
}

const FIRST_BYTES = 4096;
const MAX_VARINT_BYTES = 10;

export function createOutput(): WireOutput {
  return { bytes: Buffer.allocUnsafeSlow(FIRST_BYTES), length: 0 };
}

/** Makes room for so many more bytes. */
function reserve(output: WireOutput, size: number): void {
  const needed = output.length + size;
  if (needed <= output.bytes.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, output.bytes.length * 2));
  output.bytes.copy(larger, 0, 0, output.length);
  output.bytes = larger;
}

export function writeByte(output: WireOutput, byte: number): void {
  reserve(output, 1);
  output.bytes[output.length++] = byte;
}

/** A varint of a whole number from 0 to 2^53. */
export function writeVarint(output: WireOutput, value: number): void {
  reserve(output, MAX_VARINT_BYTES);
  output.length = putVarint(output.bytes, output.length, value);
}

/** An int64: a negative one takes ten bytes. */
export function writeInt64(output: WireOutput, value: bigint): void {
  if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) {
    writeVarint(output, Number(value));
    return;
  }
  reserve(output, MAX_VARINT_BYTES);
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) output.bytes[output.length++] = Number(rest & 0x7fn) | 0x80;
  output.bytes[output.length++] = Number(rest);
}

export function writeDouble(output: WireOutput, value: number): void {
  reserve(output, 8);
  output.length = output.bytes.writeDoubleLE(value, output.length);
}

/** A string with its length before it, in UTF-8. */
export function writeString(output: WireOutput, text: string): void {
  reserve(output, text.length * 3 + 2 * MAX_VARINT_BYTES);
  writeDelimited(output, () => {
    output.length += output.bytes.write(text, output.length);
  });
}

export function writeBytes(output: WireOutput, bytes: Uint8Array): void {
  reserve(output, bytes.length);
  output.bytes.set(bytes, output.length);
  output.length += bytes.length;
}

/** Whatever `write` writes, with its length before it. */
export function writeDelimited(output: WireOutput, write: () => void): void {
  writeByte(output, 0);
  const start = output.length;
  write();
  const size = output.length - start;
  const more = varintSize(size) - 1;
  if (more > 0) {
    reserve(output, more);
    output.bytes.copyWithin(start + more, start, output.length);
    output.length += more;
  }
  putVarint(output.bytes, start - 1, size);
}

export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Puts a varint where there is room for it; the place after it. */
export function putVarint(bytes: Buffer, offset: number, value: number): number {
  let position = offset;
  let rest = value;
  for (; rest >= 2 ** 31; rest = Math.floor(rest / 0x80)) bytes[position++] = (rest % 0x80) | 0x80;
  let low = rest | 0;
  for (; low >= 0x80; low >>>= 7) bytes[position++] = (low & 0x7f) | 0x80;
  bytes[position++] = low;
  return position;
}
