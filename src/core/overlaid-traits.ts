import type { Change } from './changes.js';
import { LazyTraits } from './lazy-traits.js';
import { joinTraits } from './trait-text.js';
import { UnreadTraits } from './unread-traits.js';

/**
 * The traits of an identity as changes leave them, over those that it had before: only what differs is kept, so that a change costs what it brings, not
 * what is there. Never changes; reads as a map of all the traits.
 */
export class OverlaidTraits extends LazyTraits {
  /** The keys whose texts are not those before, in the order in which they came to differ; undefined where a key is gone. */
  readonly differences: ReadonlyMap<string, string | undefined>;
  readonly #before: ReadonlyMap<string, string>;
  #all: ReadonlyMap<string, string> | undefined;

  constructor(before: ReadonlyMap<string, string>, differences: ReadonlyMap<string, string | undefined> = NONE) {
    super();
    this.#before = before;
    this.differences = differences;
  }

  /** None of the traits before. */
  static without(before: ReadonlyMap<string, string>): OverlaidTraits {
    return before.size === 0
      ? new OverlaidTraits(before)
      : new OverlaidTraits(before, new Map([...before.keys()].map((key) => [key, undefined])));
  }

  /** The traits after a change; the same object where nothing changed. */
  changedBy({ kind, traits, except }: Change): OverlaidTraits {
    const isNew = kind === 'upsert' && this.#before.size === 0 && this.differences.size === 0;
    if (isNew && except === undefined && isAnyAndAllSet(traits)) return new OverlaidTraits(this.#before, traits);
    const differences = new Map(this.differences);
    let changed = 0;
    const put = (key: string, text: string | undefined): void => {
      if (except?.has(key) === true) return;
      const earlier = this.#before.get(key);
      const now = differences.get(key) ?? (differences.has(key) ? undefined : earlier);
      if (now === text) return;
      changed += 1;
      if (earlier === text) differences.delete(key);
      else differences.set(key, text);
    };
    if (kind !== 'set_traits') for (const key of this.keys()) if (!traits.has(key)) put(key, undefined);
    for (const [key, text] of traits) put(key, text === null || text === 'null' ? undefined : text);
    return changed === 0 ? this : new OverlaidTraits(this.#before, differences);
  }

  override get(key: string): string | undefined {
    return this.differences.get(key) ?? (this.differences.has(key) ? undefined : this.#before.get(key));
  }

  override has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  /** The text of an object with all the traits, as a jsonb column takes it. */
  get text(): string {
    const all = this.whole();
    return all instanceof UnreadTraits ? all.text : joinTraits(all);
  }

  /** What differs takes no more characters than this in the text of an object. */
  get lengthOfDifferences(): number {
    // Where it has no blanks it is shorter than the text that they would make, by two of at least six characters.
    if (this.differences instanceof UnreadTraits) return 2 * this.differences.text.length;
    let length = 0;
    for (const [key, text = ''] of this.differences) length += key.length + text.length + 6;
    return length;
  }

  protected override whole(): ReadonlyMap<string, string> {
    if (this.#all !== undefined) return this.#all;
    if (this.#before.size === 0 && isAnyAndAllSet(this.differences)) return (this.#all = this.differences);
    return (this.#all = this.differences.size === 0 ? this.#before : this.#joined());
  }

  #joined(): Map<string, string> {
    const all = new Map(this.#before);
    for (const [key, text] of this.differences) {
      if (text === undefined) all.delete(key);
      else all.set(key, text);
    }
    return all;
  }
}

/** A change that lies over nothing, sets something and removes nothing is the traits by itself. */
function isAnyAndAllSet(texts: ReadonlyMap<string, string | null | undefined>): texts is ReadonlyMap<string, string> {
  if (texts instanceof UnreadTraits) return true;
  for (const text of texts.values()) if (text === null || text === undefined || text === 'null') return false;
  return texts.size > 0;
}

const NONE: ReadonlyMap<string, undefined> = new Map();
