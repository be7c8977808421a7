/** Traits that are put together when somebody asks for them: reads as the map that `whole` gives. */
export abstract class LazyTraits implements ReadonlyMap<string, string> {
  /** All traits; called again and again, so it keeps them. */
  protected abstract whole(): ReadonlyMap<string, string>;

  get(key: string): string | undefined {
    return this.whole().get(key);
  }

  has(key: string): boolean {
    return this.whole().has(key);
  }

  get size(): number {
    return this.whole().size;
  }

  forEach(visit: (text: string, key: string, traits: ReadonlyMap<string, string>) => void): void {
    this.whole().forEach((text, key) => visit(text, key, this));
  }

  entries(): MapIterator<[string, string]> {
    return this.whole().entries();
  }

  keys(): MapIterator<string> {
    return this.whole().keys();
  }

  values(): MapIterator<string> {
    return this.whole().values();
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.entries();
  }
}
