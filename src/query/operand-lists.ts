import type { Database } from '../storage/database.js';
import { readOperandList } from '../storage/operand-lists.js';
import { KeptValues } from './kept-values.js';
import type { SetCache } from './set-cache.js';

/** What a value of a list takes in memory beside its characters. */
const BYTES_PER_VALUE = 64;

/** Stored lists by the SHA-256 of their content, which never changes: read once and kept as long as there is room (I12). */
export class OperandLists {
  readonly #database: Database;
  readonly #kept: KeptValues<ReadonlySet<string>>;
  readonly #reading = new Map<string, Promise<ReadonlySet<string>>>();

  /** `scope` sets these lists apart in the cache. */
  constructor(database: Database, cache: SetCache, scope: string) {
    this.#database = database;
    this.#kept = new KeptValues(cache, scope);
  }

  /** The values of a list; calls at the same time share one read. Throws LIST_NOT_FOUND. */
  async read(sha256: string): Promise<ReadonlySet<string>> {
    const kept = this.#kept.get(sha256);
    if (kept !== undefined) return kept;
    const reading = this.#reading.get(sha256) ?? this.#readNow(sha256);
    this.#reading.set(sha256, reading);
    return reading;
  }

  clear(): void {
    this.#kept.clear();
  }

  async #readNow(sha256: string): Promise<ReadonlySet<string>> {
    try {
      const values = await readOperandList(this.#database.sql, sha256);
      this.#kept.put(sha256, values, bytesOf(values));
      return values;
    } finally {
      this.#reading.delete(sha256);
    }
  }
}

function bytesOf(values: ReadonlySet<string>): number {
  let bytes = 0;
  for (const value of values) bytes += BYTES_PER_VALUE + value.length;
  return bytes;
}
