/** Lists with more values are each asked, not merged into the shared map, which would hold them a second time. */
const MAX_MERGED_VALUES = 10_000;
/** What a value takes in a map beside its characters. */
const BYTES_PER_VALUE = 64;

/** The lists of one property's IN tests: which of them hold a text is found out at once, however many there are. */
export class InLists {
  readonly #byText = new Map<string, readonly number[]>();
  readonly #large: { readonly place: number; readonly values: ReadonlySet<string> }[] = [];
  #bytes = 0;

  /** Roughly what the lists take. */
  get bytes(): number {
    return this.#bytes;
  }

  add(place: number, values: ReadonlySet<string>): void {
    const alone = [place];
    for (const text of values) this.#bytes += BYTES_PER_VALUE + text.length;
    if (values.size > MAX_MERGED_VALUES) this.#large.push({ place, values });
    else for (const text of values) this.#byText.set(text, this.#byText.get(text)?.concat(alone) ?? alone);
  }

  /** The places of the lists that hold a text. */
  placesOf(text: string): readonly number[] {
    const merged = this.#byText.get(text) ?? NOWHERE;
    if (this.#large.length === 0) return merged;
    const large = this.#large.filter(({ values }) => values.has(text));
    return [...merged, ...large.map(({ place }) => place)];
  }
}

const NOWHERE: readonly number[] = [];
