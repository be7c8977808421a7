/**
 * Writes protobuf from the last byte to the first: the length of a nested message, which stands before it, is known by then, and
 * nothing is written twice. Fields thus come out in the reverse order of the calls.
 */
export class ReverseWriter {
  #buffer = Buffer.allocUnsafe(64 * 1024);
  #position = this.#buffer.length;

  /** How many bytes are written. */
  get length(): number {
    return this.#buffer.length - this.#position;
  }

  text(value: string): void {
    const bytes = Buffer.byteLength(value);
    this.#reserve(bytes);
    this.#buffer.write(value, this.#position, bytes);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#position] = value;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#buffer.writeDoubleLE(value, this.#position);
  }

  /** A number from 0 to 2^53 - 1. */
  varint(value: number): void {
    if (value < 0x80) this.byte(value);
    else this.bigVarint(BigInt(value));
  }

  /** An integer of 64 bits, negative ones in two's complement. */
  bigVarint(value: bigint): void {
    const groups: number[] = [];
    let rest = BigInt.asUintN(64, value);
    do {
      groups.push(Number(rest & 0x7fn));
      rest >>= 7n;
    } while (rest > 0n);
    for (const [index, group] of groups.reverse().entries()) this.byte(index === 0 ? group : group | 0x80);
  }

  /** A tag of one byte, with the length of what `write` writes before it. */
  nested(tag: number, write: () => void): void {
    const before = this.length;
    write();
    this.varint(this.length - before);
    this.byte(tag);
  }

  /** What was written, as a buffer of its own; the writer is empty then. */
  take(): Buffer {
    const bytes = Buffer.from(this.#buffer.subarray(this.#position));
    this.#position = this.#buffer.length;
    return bytes;
  }

  #reserve(bytes: number): void {
    if (this.#position < bytes) this.#grow(bytes);
    this.#position -= bytes;
  }

  #grow(bytes: number): void {
    const written = this.#buffer.subarray(this.#position);
    const buffer = Buffer.allocUnsafe(2 * this.#buffer.length + bytes);
    this.#position = buffer.length - written.length;
    written.copy(buffer, this.#position);
    this.#buffer = buffer;
  }
}
