import { LRUCache } from 'lru-cache';
import type { OrdinalSet } from '../core/bitmap.js';

/** Bitmaps of atoms in memory, of all environments, bounded in bytes: least recently used goes first (I12). */
export class ChunkCache {
  readonly maxBytes: number;
  readonly #sets: LRUCache<string, { readonly set: OrdinalSet; readonly evict: () => void }>;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
    this.#sets = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: ({ set }) => Math.min(maxBytes, set.bytes),
      dispose: ({ evict }) => {
        evict();
      },
    });
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#sets.calculatedSize;
  }

  /** Keeps a set until room is needed; `evict` is called when it goes. */
  put(key: string, set: OrdinalSet, evict: () => void): void {
    this.#sets.set(key, { set, evict });
  }

  /** Notes that a set was used. */
  touch(key: string): void {
    this.#sets.get(key);
  }

  delete(key: string): void {
    this.#sets.delete(key);
  }
}
