import { LRUCache } from 'lru-cache';
import type { OrdinalSet } from '../core/bitmap.js';
import type { AtomFlips } from '../core/flips.js';
import { holds, type Predicate } from '../core/predicates.js';

/** A composed result that follows the log. While it is held, it is copied before it changes. */
interface Composed {
  readonly predicate: Predicate;
  readonly atomIds: ReadonlyMap<string, number>;
  set: OrdinalSet;
  isHeld: boolean;
}

/** More changed ordinals than this in one revision: composing again is cheaper than testing each. */
const MAX_FOLLOWED_ORDINALS = 50_000;

/**
 * Composed results of one environment at its index's revision, kept under the compiled predicate. A revision changes each only
 * at the ordinals that its atoms flipped, where the predicate is tested again. Bounded in bytes, least recently used goes first.
 */
export class ComposedSets {
  readonly #sets: LRUCache<string, Composed>;
  readonly #byAtom = new Map<number, Set<string>>();

  constructor(maxBytes: number) {
    this.#sets = new LRUCache<string, Composed>({
      maxSize: maxBytes,
      sizeCalculation: ({ set }) => set.bytes,
      dispose: (composed, key) => {
        for (const atomId of composed.atomIds.values()) this.#byAtom.get(atomId)?.delete(key);
      },
    });
  }

  /** The current set of a predicate, not to be changed, and good only until the next `await`; undefined where it is not kept. */
  get(key: string): OrdinalSet | undefined {
    return this.#sets.get(key)?.set;
  }

  /** Keeps a set that is nobody else's. `atomIds` are what it was composed from, the universe under UNIVERSE_KEY. */
  put(predicate: Predicate, atomIds: ReadonlyMap<string, number>, set: OrdinalSet): void {
    this.#sets.set(predicate.key, { predicate, atomIds, set, isHeld: false });
    for (const atomId of atomIds.values()) {
      const keys = this.#byAtom.get(atomId);
      if (keys === undefined) this.#byAtom.set(atomId, new Set([predicate.key]));
      else keys.add(predicate.key);
    }
  }

  /** The current set of a predicate, which will never change from now on; undefined where it is not kept. */
  hold(key: string): OrdinalSet | undefined {
    const composed = this.#sets.get(key);
    if (composed !== undefined) composed.isHeld = true;
    return composed?.set;
  }

  /** Follows a revision whose flips are in the atoms already. `isTrue` is the truth of an atom for an ordinal, undefined where it is not loaded. */
  follow(flips: ReadonlyMap<number, AtomFlips>, isTrue: (atomId: number, ordinal: number) => boolean | undefined): void {
    const touched = new Set<string>();
    for (const atomId of flips.keys()) for (const key of this.#byAtom.get(atomId) ?? []) touched.add(key);
    for (const key of touched) {
      const composed = this.#sets.peek(key);
      if (composed !== undefined && !followOne(composed, flips, isTrue)) this.#sets.delete(key);
    }
  }

  /** Forgets the results that an atom is part of. */
  drop(atomId: number): void {
    for (const key of [...(this.#byAtom.get(atomId) ?? [])]) this.#sets.delete(key);
  }

  clear(): void {
    this.#sets.clear();
  }
}

/** False where an atom is not loaded or too much changed: the set is composed again when it is next asked for. */
function followOne(
  composed: Composed,
  flips: ReadonlyMap<number, AtomFlips>,
  isTrue: (atomId: number, ordinal: number) => boolean | undefined,
): boolean {
  const ordinals = new Set<number>();
  for (const atomId of composed.atomIds.values()) {
    const own = flips.get(atomId);
    if (own === undefined) continue;
    if (ordinals.size + own.set.length + own.cleared.length > MAX_FOLLOWED_ORDINALS) return false;
    for (const ordinal of own.set) ordinals.add(ordinal);
    for (const ordinal of own.cleared) ordinals.add(ordinal);
  }
  if (composed.isHeld) {
    composed.set = composed.set.clone();
    composed.isHeld = false;
  }
  let isLoaded = true;
  const test = (atomKey: string, ordinal: number): boolean => {
    const truth = isTrue(composed.atomIds.get(atomKey) ?? -1, ordinal);
    if (truth === undefined) isLoaded = false;
    return truth ?? false;
  };
  for (const ordinal of ordinals) {
    const isMember = test(UNIVERSE_KEY, ordinal) && holds(composed.predicate, (atomKey) => test(atomKey, ordinal));
    if (!isLoaded) return false;
    if (isMember) composed.set.add(ordinal);
    else composed.set.delete(ordinal);
  }
  return true;
}

/** The universe among the atoms of a composed set. */
export const UNIVERSE_KEY = 'universe';
