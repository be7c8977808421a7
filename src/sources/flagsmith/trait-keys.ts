import { checkTrait, DEFAULT_TRAIT_LIMITS } from '../../core/check-trait.js';

/** Reads the keys of traits from their JSON. The same few come again and again, so they are kept. */
export class TraitKeys {
  readonly #keys = new Map<string, string>();

  /** Throws INVALID_TRAIT where it cannot be a key. */
  read(json: string): string {
    const known = this.#keys.get(json);
    if (known !== undefined) return known;
    // Made anew, both: a slice would keep the whole page alive that it is cut from.
    const key = String(JSON.parse(json));
    checkTrait(key, null, DEFAULT_TRAIT_LIMITS);
    if (this.#keys.size >= MAX_KEYS) this.#keys.clear();
    this.#keys.set(JSON.stringify(key), key);
    return key;
  }
}

const MAX_KEYS = 10_000;
