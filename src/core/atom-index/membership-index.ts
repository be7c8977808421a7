import type { ConditionValue } from '../values.js';

/** Sets with more values are each asked, not merged into the shared map, which would hold them a second time. */
const MAX_MERGED_VALUES = 1000;

/** The IN atoms of one property, found by the value's text. */
export class MembershipIndex {
  readonly #sets = new Map<number, ReadonlySet<string>>();
  readonly #largeSets = new Map<number, ReadonlySet<string>>();
  readonly #byText = new Map<string, Set<number>>();

  add(atomId: number, values: ReadonlySet<string>): void {
    this.#sets.set(atomId, values);
    if (values.size > MAX_MERGED_VALUES) {
      this.#largeSets.set(atomId, values);
      return;
    }
    for (const text of values) {
      const atomIds = this.#byText.get(text);
      if (atomIds === undefined) this.#byText.set(text, new Set([atomId]));
      else atomIds.add(atomId);
    }
  }

  remove(atomId: number): void {
    const values = this.#sets.get(atomId);
    this.#sets.delete(atomId);
    if (values === undefined || this.#largeSets.delete(atomId)) return;
    for (const text of values) {
      const atomIds = this.#byText.get(text);
      atomIds?.delete(atomId);
      if (atomIds?.size === 0) this.#byText.delete(text);
    }
  }

  /** Reports the atoms that are true of one of two values but not of the other (undefined = missing). */
  flips(
    before: ConditionValue | undefined,
    after: ConditionValue | undefined,
    report: (atomId: number, isSet: boolean) => void,
  ): void {
    if (this.#sets.size === 0) return;
    const old = textOf(before);
    const now = textOf(after);
    if (old === now) return;
    this.#except(old, now, (atomId) => report(atomId, false));
    this.#except(now, old, (atomId) => report(atomId, true));
  }

  /** Reports the atoms whose values hold `text` but not `other`. */
  #except(text: string | undefined, other: string | undefined, report: (atomId: number) => void): void {
    if (text === undefined) return;
    const others = other === undefined ? undefined : this.#byText.get(other);
    for (const atomId of this.#byText.get(text) ?? []) if (others?.has(atomId) !== true) report(atomId);
    for (const [atomId, values] of this.#largeSets)
      if (values.has(text) && !(other !== undefined && values.has(other))) report(atomId);
  }
}

/** The text that IN looks for; floats and booleans are in no list. */
function textOf(value: ConditionValue | undefined): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'bigint' ? String(value) : undefined;
}
