import { LazyTraits } from './lazy-traits.js';
import { splitTraits } from './trait-text.js';

/**
 * Traits as the text of a JSON object, which is read when somebody asks for one of them: most new identities are only stored. There is at least one, and none is null. Where a key is
 * repeated the last counts, here as in a jsonb column.
 */
export class UnreadTraits extends LazyTraits {
  /** Each value is in the form of `trait-text.ts`; white space may differ. */
  readonly text: string;
  #read: ReadonlyMap<string, string> | undefined;

  constructor(text: string) {
    super();
    this.text = text;
  }

  protected override whole(): ReadonlyMap<string, string> {
    return (this.#read ??= splitTraits(this.text));
  }
}
