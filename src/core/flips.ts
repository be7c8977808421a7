import { crc32c } from './checksum.js';
import { RollcallError } from './errors.js';

/** The universe is an atom like any other: true for every live identity. */
export const UNIVERSE_ATOM_ID = 0;

/** Which ordinals one revision set and cleared in one atom; each list ascending, without repeats, disjoint. */
export interface AtomFlips {
  readonly set: readonly number[];
  readonly cleared: readonly number[];
}

/** What one revision changed: the payload of a log row. */
export interface RevisionFlips {
  readonly catalogChanged: boolean;
  readonly atoms: ReadonlyMap<number, AtomFlips>;
}

const FORMAT = 1;
const CATALOG_CHANGED = 1;
const CHECKSUM_BYTES = 4;

/** Collects the flips of a batch. An ordinal flips at most once in an atom: batches are coalesced by identity before. */
export class FlipCollector {
  readonly #atoms = new Map<number, { set: number[]; cleared: number[] }>();

  add(atomId: number, ordinal: number, isSet: boolean): void {
    let flips = this.#atoms.get(atomId);
    if (flips === undefined) this.#atoms.set(atomId, (flips = { set: [], cleared: [] }));
    (isSet ? flips.set : flips.cleared).push(ordinal);
  }

  finish(catalogChanged: boolean): RevisionFlips {
    for (const { set, cleared } of this.#atoms.values()) {
      set.sort((a, b) => a - b);
      cleared.sort((a, b) => a - b);
    }
    return { catalogChanged, atoms: this.#atoms };
  }
}

/**
 * Bytes of a log row: format, flags, number of atoms, then for each atom its id, the count of set ordinals and their
 * ascending differences, the same for cleared ones; all numbers varints; at the end the CRC32C of all that. Differences of scattered ordinals take two or three bytes,
 * where a bitmap of them takes ten.
 */
export function encodeFlips(flips: RevisionFlips): Buffer {
  let numbers = 3;
  for (const { set, cleared } of flips.atoms.values()) numbers += 3 + set.length + cleared.length;
  const writer = new VarintWriter(numbers);
  writer.write(FORMAT);
  writer.write(flips.catalogChanged ? CATALOG_CHANGED : 0);
  writer.write(flips.atoms.size);
  for (const [atomId, { set, cleared }] of flips.atoms) {
    writer.write(atomId);
    writer.writeAscending(set);
    writer.writeAscending(cleared);
  }
  return writer.finish();
}

/** Reads what `encodeFlips` wrote. Throws INDEX_CORRUPT where the bytes are not that. */
export function decodeFlips(bytes: Uint8Array): RevisionFlips {
  const reader = new VarintReader(checkedBody(bytes));
  const format = reader.read();
  if (format !== FORMAT) throw new RollcallError('INDEX_CORRUPT', 'a log row has an unknown format');
  const flags = reader.read();
  const count = reader.read();
  const atoms = new Map<number, AtomFlips>();
  for (let index = 0; index < count; index++) {
    const atomId = reader.read();
    const set = reader.readAscending();
    atoms.set(atomId, { set, cleared: reader.readAscending() });
  }
  reader.expectEnd();
  return { catalogChanged: (flags & CATALOG_CHANGED) !== 0, atoms };
}

function checkedBody(bytes: Uint8Array): Uint8Array {
  const body = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_BYTES));
  const checksum = bytes.length < CHECKSUM_BYTES ? undefined : Buffer.from(bytes.subarray(body.length)).readUInt32LE();
  if (checksum !== crc32c(body)) throw new RollcallError('INDEX_CORRUPT', 'a log row is damaged');
  return body;
}

class VarintWriter {
  readonly #bytes: Buffer;
  #length = 0;

  constructor(numbers: number) {
    this.#bytes = Buffer.allocUnsafe(numbers * 8 + CHECKSUM_BYTES);
  }

  write(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  writeAscending(values: readonly number[]): void {
    this.write(values.length);
    let previous = 0;
    for (const value of values) {
      this.write(value - previous);
      previous = value;
    }
  }

  /** What was written, with its checksum. */
  finish(): Buffer {
    this.#length = this.#bytes.writeUInt32LE(crc32c(this.#bytes.subarray(0, this.#length)), this.#length);
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }
}

class VarintReader {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#bytes[this.#position++];
      if (byte === undefined || scale > 2 ** 49) throw new RollcallError('INDEX_CORRUPT', 'a log row is cut short');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  readAscending(): number[] {
    const length = this.read();
    if (length > this.#bytes.length) throw new RollcallError('INDEX_CORRUPT', 'a log row is cut short');
    const values = new Array<number>(length);
    let previous = 0;
    for (let index = 0; index < length; index++) values[index] = previous += this.read();
    return values;
  }

  expectEnd(): void {
    if (this.#position !== this.#bytes.length)
      throw new RollcallError('INDEX_CORRUPT', 'a log row has bytes left over');
  }
}
