import { splitTraits } from './trait-text.js';

/**
 * Traits as the text of a JSON object, which is read when somebody asks for one of them: most new identities are only stored. There is at least one, and none is null. Where a key is
 * repeated the last counts, here as in a jsonb column.
 */
export class UnreadTraits implements ReadonlyMap<string, string> {
  /** Each value is in the form of `trait-text.ts`; white space may differ. */
  readonly text: string;
  #read: ReadonlyMap<string, string> | undefined;

  constructor(text: string) {
    this.text = text;
  }

  get(key: string): string | undefined {
    return this.#whole().get(key);
  }

  has(key: string): boolean {
    return this.#whole().has(key);
  }

  get size(): number {
    return this.#whole().size;
  }

  forEach(visit: (text: string, key: string, traits: ReadonlyMap<string, string>) => void): void {
    this.#whole().forEach((text, key) => visit(text, key, this));
  }

  entries(): MapIterator<[string, string]> {
    return this.#whole().entries();
  }

  keys(): MapIterator<string> {
    return this.#whole().keys();
  }

  values(): MapIterator<string> {
    return this.#whole().values();
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.entries();
  }

  #whole(): ReadonlyMap<string, string> {
    return (this.#read ??= splitTraits(this.text));
  }
}
