import type { SetCache } from './set-cache.js';

/** Values of one owner by key, kept until the cache that bounds the memory of all owners needs their room (I12). */
export class KeptValues<Value> {
  readonly #cache: SetCache;
  readonly #scope: string;
  readonly #values = new Map<string, Value>();

  /** `scope` sets this owner's entries apart in the cache. */
  constructor(cache: SetCache, scope: string) {
    this.#cache = cache;
    this.#scope = scope;
  }

  /** The value under a key, which counts as a use of it; undefined where it is not kept. */
  get(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) this.#cache.touch(this.#cacheKey(key));
    return value;
  }

  /** Keeps a value in the place of the one before. */
  put(key: string, value: Value, bytes: number): void {
    this.#values.set(key, value);
    this.#cache.put(this.#cacheKey(key), bytes, () => {
      if (this.#values.get(key) === value) this.#values.delete(key);
    });
  }

  clear(): void {
    for (const key of [...this.#values.keys()]) this.#cache.delete(this.#cacheKey(key));
  }

  #cacheKey(key: string): string {
    return `${this.#scope}:${key}`;
  }
}
