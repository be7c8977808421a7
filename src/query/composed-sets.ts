import type { OrdinalSet } from '../core/bitmap.js';
import type { AtomFlips } from '../core/flips.js';
import { holds, type Predicate } from '../core/predicates.js';
import type { SetCache } from './set-cache.js';

/** A composed result that follows the log. While it is held, it is copied before it changes. */
interface Composed {
  readonly predicate: Predicate;
  readonly atomIds: ReadonlyMap<string, number>;
  set: OrdinalSet;
  isHeld: boolean;
  /** Members when its size in bytes was last measured. */
  measuredMembers: number;
}

/** Members that come or go before a result's size is measured again: they take at most some tens of KiB. */
const MEMBERS_UNMEASURED = 4096;

/** More changed ordinals than this in one revision: composing again is cheaper than testing each. */
const MAX_FOLLOWED_ORDINALS = 50_000;

/**
 * Composed results of one environment at its index's revision, kept under the compiled predicate. A revision changes each only
 * at the ordinals that its atoms flipped, where the predicate is tested again.
 */
export class ComposedSets {
  readonly #cache: SetCache;
  readonly #scope: string;
  readonly #sets = new Map<string, Composed>();
  readonly #byAtom = new Map<number, Set<string>>();

  /** `scope` sets this environment's entries apart in the cache, which bounds those of all. */
  constructor(cache: SetCache, scope: string) {
    this.#cache = cache;
    this.#scope = scope;
  }

  /** The current set of a predicate, not to be changed, and good only until the next `await`; undefined where it is not kept. */
  get(key: string): OrdinalSet | undefined {
    const composed = this.#sets.get(key);
    if (composed !== undefined) this.#cache.touch(this.#cacheKey(key));
    return composed?.set;
  }

  /** Keeps a set that is nobody else's. `atomIds` are what it was composed from, the universe under UNIVERSE_KEY. */
  put(predicate: Predicate, atomIds: ReadonlyMap<string, number>, set: OrdinalSet): void {
    const composed = { predicate, atomIds, set, isHeld: false, measuredMembers: set.size };
    this.#sets.set(predicate.key, composed);
    for (const atomId of atomIds.values()) {
      const keys = this.#byAtom.get(atomId);
      if (keys === undefined) this.#byAtom.set(atomId, new Set([predicate.key]));
      else keys.add(predicate.key);
    }
    this.#cache.put(this.#cacheKey(predicate.key), set.bytes, () => {
      this.#forget(predicate.key, composed);
    });
  }

  /** The current set of a predicate, which will never change from now on; undefined where it is not kept. */
  hold(key: string): OrdinalSet | undefined {
    const composed = this.#sets.get(key);
    if (composed !== undefined) composed.isHeld = true;
    return composed?.set;
  }

  /** Follows a revision whose flips are in the atoms already. `isTrue` is the truth of an atom for an ordinal, undefined where it is not loaded. */
  follow(
    flips: ReadonlyMap<number, AtomFlips>,
    isTrue: (atomId: number, ordinal: number) => boolean | undefined,
  ): void {
    const touched = new Set<string>();
    for (const atomId of flips.keys()) for (const key of this.#byAtom.get(atomId) ?? []) touched.add(key);
    for (const key of touched) {
      const composed = this.#sets.get(key);
      if (composed === undefined) continue;
      if (followOne(composed, flips, isTrue)) this.#measure(key, composed);
      else this.#cache.delete(this.#cacheKey(key));
    }
  }

  #measure(key: string, composed: Composed): void {
    const members = composed.set.size;
    if (Math.abs(members - composed.measuredMembers) < MEMBERS_UNMEASURED) return;
    composed.measuredMembers = members;
    this.#cache.resize(this.#cacheKey(key), composed.set.bytes);
  }

  /** Forgets the results that an atom is part of. */
  drop(atomId: number): void {
    for (const key of [...(this.#byAtom.get(atomId) ?? [])]) this.#cache.delete(this.#cacheKey(key));
  }

  clear(): void {
    for (const key of [...this.#sets.keys()]) this.#cache.delete(this.#cacheKey(key));
  }

  #forget(key: string, composed: Composed): void {
    if (this.#sets.get(key) !== composed) return;
    this.#sets.delete(key);
    for (const atomId of composed.atomIds.values()) this.#byAtom.get(atomId)?.delete(key);
  }

  #cacheKey(key: string): string {
    return `${this.#scope}:${key}`;
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
  const absent = new Set<string>();
  const test = (atomKey: string, ordinal: number): boolean => {
    const truth = isTrue(composed.atomIds.get(atomKey) ?? -1, ordinal);
    if (truth === undefined) absent.add(atomKey);
    return truth ?? false;
  };
  for (const ordinal of ordinals) {
    const isMember = test(UNIVERSE_KEY, ordinal) && holds(composed.predicate, (atomKey) => test(atomKey, ordinal));
    if (absent.size > 0) return false;
    if (isMember) composed.set.add(ordinal);
    else composed.set.delete(ordinal);
  }
  return true;
}

/** The universe among the atoms of a composed set. */
export const UNIVERSE_KEY = 'universe';
