import { LRUCache } from 'lru-cache';

interface Entry {
  readonly bytes: number;
  readonly evict: () => void;
}

/** What an entry takes beside its set: the objects around a small bitmap, in three maps, were measured at about this. */
const ENTRY_BYTES = 2048;

/** Bounds in bytes the bitmaps that are kept in memory, of all environments: least recently used goes first (I12). It holds none itself. */
export class SetCache {
  readonly maxBytes: number;
  readonly #entries: LRUCache<string, Entry>;

  constructor(maxBytes: number) {
    this.maxBytes = Math.max(1, maxBytes);
    this.#entries = new LRUCache<string, Entry>({
      maxSize: this.maxBytes,
      sizeCalculation: ({ bytes }) => Math.min(this.maxBytes, bytes + ENTRY_BYTES),
      noDisposeOnSet: true,
      dispose: ({ evict }) => {
        evict();
      },
    });
  }

  /** Bytes that are kept, with what surrounds each set. */
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
