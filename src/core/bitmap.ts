import roaring from 'roaring';
import { crc32c } from './checksum.js';

const { RoaringBitmap32 } = roaring;
type RoaringBitmap32 = roaring.RoaringBitmap32;

/** Ordinals in one chunk: one Roaring container, one row in Postgres. */
export const CHUNK_SIZE = 2 ** 16;
/** Ordinals are below this, so that they are exact as JavaScript numbers. */
export const ORDINAL_LIMIT = Number.MAX_SAFE_INTEGER;
/** Ordinals in one Roaring bitmap, whose values have 32 bits. */
export const PART_SIZE = 2 ** 32;
/** Ordinals of one block of a shard. */
const SHARD_BLOCK = 4096;
/** A portable container of 2^16 bits is 8 KiB with at most this much around it. */
const MAX_CHUNK_BYTES = 8192 + 64;

/** One chunk of a bitmap as it is stored: portable Roaring bytes of the ordinals' low 32 bits, with its checks. */
export interface Chunk {
  readonly chunk: number;
  readonly cardinality: number;
  /** Of the chunk's number, then its bytes. */
  readonly crc32c: number;
  readonly bitmap: Uint8Array;
}

/** The chunk that holds `ordinal`. */
export function chunkOf(ordinal: number): number {
  return Math.floor(ordinal / CHUNK_SIZE);
}

function partOf(ordinal: number): number {
  return Math.floor(ordinal / PART_SIZE);
}

/** The first ordinal of each chunk of a part that holds any, ascending. */
function* chunkStarts(bits: RoaringBitmap32): Generator<number> {
  for (let from = 0; from < PART_SIZE;) {
    const next = bits.at(from === 0 ? 0 : bits.rank(from - 1));
    if (next === undefined) return;
    const first = next - (next % CHUNK_SIZE);
    yield first;
    from = first + CHUNK_SIZE;
  }
}

/** CRC32C of a chunk's number and bytes, so that a row under another number shows too. */
function checksumOf(chunk: number, bitmap: Uint8Array): number {
  const number = Buffer.alloc(8);
  number.writeDoubleLE(chunk);
  return crc32c(bitmap, crc32c(number));
}

/** Whether a stored chunk is whole: its length, its CRC32C, its cardinality and its range (I9). Never throws. */
export function isChunkIntact(chunk: Chunk): boolean {
  if (
    chunk.bitmap.length === 0 ||
    chunk.bitmap.length > MAX_CHUNK_BYTES ||
    checksumOf(chunk.chunk, chunk.bitmap) !== chunk.crc32c
  )
    return false;
  try {
    const bits = RoaringBitmap32.deserialize(chunk.bitmap, 'portable');
    const first = (chunk.chunk * CHUNK_SIZE) % PART_SIZE;
    return bits.size === chunk.cardinality && bits.rangeCardinality(first, first + CHUNK_SIZE) === bits.size;
  } catch {
    return false;
  }
}

/**
 * A set of ordinals, ascending: one Roaring bitmap for each 2^32 of them. Operators between sets return new sets and leave
 * their operands as they are; those that add, delete or dispose change this one.
 */
export class OrdinalSet {
  readonly #parts = new Map<number, RoaringBitmap32>();

  static of(ordinals: Iterable<number>): OrdinalSet {
    const set = new OrdinalSet();
    set.addAll(ordinals);
    return set;
  }

  /** The ordinals of whole, intact chunks (see `isChunkIntact`). */
  static fromChunks(chunks: Iterable<Chunk>): OrdinalSet {
    const perPart = new Map<number, RoaringBitmap32[]>();
    for (const { chunk, bitmap } of chunks) {
      const part = partOf(chunk * CHUNK_SIZE);
      const bits = RoaringBitmap32.deserialize(bitmap, 'portable');
      const list = perPart.get(part);
      if (list === undefined) perPart.set(part, [bits]);
      else list.push(bits);
    }
    const set = new OrdinalSet();
    for (const [part, list] of perPart) {
      set.#parts.set(part, list.length === 1 ? (list[0] ?? new RoaringBitmap32()) : RoaringBitmap32.orMany(list));
    }
    return set;
  }

  get size(): number {
    let size = 0;
    for (const bits of this.#parts.values()) size += bits.size;
    return size;
  }

  /** Bytes of the serialised form, the measure by which caches are bounded. */
  get bytes(): number {
    let bytes = 64;
    for (const bits of this.#parts.values()) bytes += bits.getSerializationSizeInBytes('portable');
    return bytes;
  }

  has(ordinal: number): boolean {
    return this.#parts.get(partOf(ordinal))?.has(ordinal % PART_SIZE) ?? false;
  }

  add(ordinal: number): void {
    const part = partOf(ordinal);
    const bits = this.#parts.get(part);
    if (bits === undefined) this.#parts.set(part, RoaringBitmap32.of(ordinal % PART_SIZE));
    else bits.add(ordinal % PART_SIZE);
  }

  delete(ordinal: number): void {
    this.#parts.get(partOf(ordinal))?.delete(ordinal % PART_SIZE);
  }

  addAll(ordinals: Iterable<number>): void {
    for (const ordinal of ordinals) this.add(ordinal);
  }

  deleteAll(ordinals: Iterable<number>): void {
    for (const ordinal of ordinals) this.delete(ordinal);
  }

  /** Adds `from` plus each of `offsets`, all within one part of 2^32 ordinals. */
  addOffsets(from: number, offsets: Uint32Array): void {
    const part = partOf(from);
    const low = from % PART_SIZE;
    const lows = low === 0 ? offsets : offsets.map((offset) => low + offset);
    const bits = this.#parts.get(part);
    if (bits === undefined) this.#parts.set(part, new RoaringBitmap32(lows));
    else bits.addMany(lows);
  }

  clone(): OrdinalSet {
    const set = new OrdinalSet();
    for (const [part, bits] of this.#parts) set.#parts.set(part, bits.clone());
    return set;
  }

  and(other: OrdinalSet): OrdinalSet {
    const set = new OrdinalSet();
    for (const [part, bits] of this.#parts) {
      const others = other.#parts.get(part);
      if (others !== undefined) set.#parts.set(part, RoaringBitmap32.and(bits, others));
    }
    return set;
  }

  andNot(other: OrdinalSet): OrdinalSet {
    const set = new OrdinalSet();
    for (const [part, bits] of this.#parts) {
      const others = other.#parts.get(part);
      set.#parts.set(part, others === undefined ? bits.clone() : RoaringBitmap32.andNot(bits, others));
    }
    return set;
  }

  or(other: OrdinalSet): OrdinalSet {
    const set = new OrdinalSet();
    for (const part of new Set([...this.#parts.keys(), ...other.#parts.keys()])) {
      const bits = this.#parts.get(part);
      const others = other.#parts.get(part);
      if (bits !== undefined && others !== undefined) set.#parts.set(part, RoaringBitmap32.or(bits, others));
      else if (bits !== undefined) set.#parts.set(part, bits.clone());
      else if (others !== undefined) set.#parts.set(part, others.clone());
    }
    return set;
  }

  equals(other: OrdinalSet): boolean {
    return this.size === other.size && this.isSubsetOf(other);
  }

  isSubsetOf(other: OrdinalSet): boolean {
    for (const [part, bits] of this.#parts) {
      const others = other.#parts.get(part);
      if (others === undefined ? !bits.isEmpty : !bits.isSubset(others)) return false;
    }
    return true;
  }

  /** The ordinal with `rank` smaller ones before it; undefined beyond the last. */
  at(rank: number): number | undefined {
    let before = 0;
    for (const [part, bits] of this.#ascendingParts()) {
      if (rank < before + bits.size) {
        const low = bits.at(rank - before);
        return low === undefined ? undefined : part * PART_SIZE + low;
      }
      before += bits.size;
    }
    return undefined;
  }

  /** How many ordinals are at most `ordinal`. */
  rank(ordinal: number): number {
    let rank = 0;
    for (const [part, bits] of this.#parts) {
      if (part < partOf(ordinal)) rank += bits.size;
      else if (part === partOf(ordinal)) rank += bits.rank(ordinal % PART_SIZE);
    }
    return rank;
  }

  /** At most `limit` ordinals greater than `after`, ascending. */
  page(after: number, limit: number): Float64Array {
    const page = new Float64Array(Math.min(limit, Math.max(0, this.size - (after < 0 ? 0 : this.rank(after)))));
    let length = 0;
    for (const [part, bits] of this.#ascendingParts()) {
      if (length === page.length) break;
      const from = after < part * PART_SIZE ? 0 : after - part * PART_SIZE + 1;
      if (from >= PART_SIZE) continue;
      const skipped = from === 0 ? 0 : bits.rank(from - 1);
      const take = Math.min(page.length - length, bits.size - skipped);
      if (take === 0) continue;
      // Its arguments are ranks: how many to skip, and how many to take at most.
      for (const low of bits.rangeUint32Array(skipped, take)) page[length++] = part * PART_SIZE + low;
    }
    return page;
  }

  /** Every ordinal, ascending. */
  *[Symbol.iterator](): Generator<number> {
    for (const [part, bits] of this.#ascendingParts()) for (const low of bits) yield part * PART_SIZE + low;
  }

  /**
   * The ordinals of one of `count` shards: blocks of ordinals dealt out in turn, so that an ordinal stays in its shard at every
   * revision.
   */
  shard(index: number, count: number): OrdinalSet {
    const set = new OrdinalSet();
    for (const [part, bits] of this.#parts) {
      const mask = new RoaringBitmap32();
      const offset = (part * PART_SIZE) / SHARD_BLOCK;
      for (const first of chunkStarts(bits)) {
        for (let block = first / SHARD_BLOCK; block < (first + CHUNK_SIZE) / SHARD_BLOCK; block++) {
          if ((offset + block) % count === index) mask.addRange(block * SHARD_BLOCK, (block + 1) * SHARD_BLOCK);
        }
      }
      mask.andInPlace(bits);
      set.#parts.set(part, mask);
    }
    return set;
  }

  /** The ordinals of one chunk in stored form; undefined where there are none. */
  chunk(chunk: number): Chunk | undefined {
    const part = partOf(chunk * CHUNK_SIZE);
    const bits = this.#parts.get(part);
    if (bits === undefined) return undefined;
    const first = chunk * CHUNK_SIZE - part * PART_SIZE;
    const inChunk = RoaringBitmap32.fromRange(first, first + CHUNK_SIZE);
    inChunk.andInPlace(bits);
    const cardinality = inChunk.size;
    if (cardinality === 0) return undefined;
    // Runs that are as long as an array stay what they were: the same ordinals must have the same bytes.
    inChunk.removeRunCompression();
    inChunk.runOptimize();
    const bitmap = inChunk.serialize('portable');
    inChunk.dispose();
    return { chunk, cardinality, crc32c: checksumOf(chunk, bitmap), bitmap };
  }

  /** The numbers of the chunks that hold any ordinal, ascending. */
  *chunkNumbers(): Generator<number> {
    for (const [part, bits] of this.#ascendingParts()) {
      for (const first of chunkStarts(bits)) yield (part * PART_SIZE + first) / CHUNK_SIZE;
    }
  }

  /** Frees the memory outside the JavaScript heap at once; the set is empty afterwards. */
  dispose(): void {
    for (const bits of this.#parts.values()) bits.dispose();
    this.#parts.clear();
  }

  #ascendingParts(): [number, RoaringBitmap32][] {
    const parts = [...this.#parts];
    return parts.length < 2 ? parts : parts.sort(([a], [b]) => a - b);
  }
}
