import { LRUCache } from 'lru-cache';

interface Entry {
  readonly bytes: number;
  readonly evict: () => void;
}

/** Bounds in bytes the bitmaps that are kept in memory, of all environments: least recently used goes first (I12). It holds none itself. */
export class SetCache {
  readonly maxBytes: number;
  readonly #entries: LRUCache<string, Entry>;

  constructor(maxBytes: number) {
    this.maxBytes = Math.max(1, maxBytes);
    this.#entries = new LRUCache<string, Entry>({
      maxSize: this.maxBytes,
      sizeCalculation: ({ bytes }) => Math.max(1, Math.min(this.maxBytes, bytes)),
      noDisposeOnSet: true,
      dispose: ({ evict }) => {
        evict();
      },
    });
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  /** Makes room for a set, which its owner keeps until `evict` is called. A set that was kept under the same key is forgotten, its `evict` not called. */
  put(key: string, bytes: number, evict: () => void): void {
    this.#entries.set(key, { bytes, evict });
  }

  /** Notes that a set has grown or shrunk to this size, and makes room for it. */
  resize(key: string, bytes: number): void {
    const entry = this.#entries.peek(key);
    if (entry !== undefined) this.#entries.set(key, { ...entry, bytes });
  }

  /** Notes that a set was used. */
  touch(key: string): void {
    this.#entries.get(key);
  }

  /** Gives up a set: `evict` is called. */
  delete(key: string): void {
    this.#entries.delete(key);
  }
}
