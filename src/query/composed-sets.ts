import type { OrdinalSet } from '../core/bitmap.js';
import type { AtomFlips } from '../core/flips.js';
import { atomsOf, holds, type Predicate } from '../core/predicates.js';
import type { AtomVersion } from './loaded-atoms.js';
import type { SetCache } from './set-cache.js';

/** A composed result that follows the log. While it is held, it is copied before it changes. */
interface Composed {
  readonly predicate: Predicate;
  readonly cacheKey: string;
  readonly atoms: ReadonlyMap<string, AtomVersion>;
  /** Of the predicate, which the set keeps in memory. */
  readonly predicateBytes: number;
  set: OrdinalSet;
  isHeld: boolean;
  /** Members when its size in bytes was last measured. */
  measuredMembers: number;
}

/** The keys of what was composed from one version of an atom. */
interface ComposedOf {
  readonly version: AtomVersion;
  readonly keys: Set<string>;
}

/** Members that come or go before a result's size is measured again: they take at most some tens of KiB. */
const MEMBERS_UNMEASURED = 4096;

/** What an atom takes in memory beside the text of its operand. */
const BYTES_PER_ATOM = 512;

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
  readonly #byAtom = new Map<number, ComposedOf>();

  /** `scope` sets this environment's entries apart in the cache, which bounds those of all. */
  constructor(cache: SetCache, scope: string) {
    this.#cache = cache;
    this.#scope = scope;
  }

  /** The current set of a predicate, not to be changed, and good only until the next `await`; undefined where it is not kept. */
  get(key: string): OrdinalSet | undefined {
    const composed = this.#sets.get(key);
    if (composed !== undefined) this.#cache.touch(composed.cacheKey);
    return composed?.set;
  }

  /** Keeps a set that is nobody else's. `atoms` are what it was composed from, the universe under UNIVERSE_KEY. */
  put(predicate: Predicate, atoms: ReadonlyMap<string, AtomVersion>, set: OrdinalSet): void {
    const predicateBytes = bytesOf(predicate);
    const cacheKey = this.#cacheKey(predicate.key);
    const composed = { predicate, cacheKey, atoms, predicateBytes, set, isHeld: false, measuredMembers: set.size };
    this.#sets.set(predicate.key, composed);
    for (const version of atoms.values()) {
      const composedOf = this.#byAtom.get(version.id);
      if (composedOf === undefined) this.#byAtom.set(version.id, { version, keys: new Set([predicate.key]) });
      else composedOf.keys.add(predicate.key);
    }
    this.#cache.put(cacheKey, set.bytes + predicateBytes, () => {
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
    for (const atomId of flips.keys()) for (const key of this.#byAtom.get(atomId)?.keys ?? []) touched.add(key);
    for (const key of touched) {
      const composed = this.#sets.get(key);
      if (composed === undefined) continue;
      if (followOne(composed, flips, isTrue)) this.#measure(composed);
      else this.#cache.delete(composed.cacheKey);
    }
  }

  #measure(composed: Composed): void {
    const members = composed.set.size;
    if (Math.abs(members - composed.measuredMembers) < MEMBERS_UNMEASURED) return;
    composed.measuredMembers = members;
    this.#cache.resize(composed.cacheKey, composed.set.bytes + composed.predicateBytes);
  }

  /** Forgets the results of atoms that are not `isCurrent`: also of those that are no longer in memory themselves, whose flips may not have been logged. */
  retain(isCurrent: (version: AtomVersion) => boolean): void {
    for (const { version, keys } of [...this.#byAtom.values()])
      if (!isCurrent(version)) for (const key of [...keys]) this.#cache.delete(this.#cacheKey(key));
  }

  clear(): void {
    for (const key of [...this.#sets.keys()]) this.#cache.delete(this.#cacheKey(key));
  }

  #forget(key: string, composed: Composed): void {
    if (this.#sets.get(key) !== composed) return;
    this.#sets.delete(key);
    for (const { id } of composed.atoms.values()) {
      const composedOf = this.#byAtom.get(id);
      composedOf?.keys.delete(key);
      if (composedOf?.keys.size === 0) this.#byAtom.delete(id);
    }
  }

  #cacheKey(key: string): string {
    return `${this.#scope}:${key}`;
  }
}

function bytesOf(predicate: Predicate): number {
  let bytes = 0;
  for (const { operand } of atomsOf(predicate).values()) bytes += BYTES_PER_ATOM + 2 * operand.length;
  return bytes;
}

/** False where an atom is not loaded or too much changed: the set is composed again when it is next asked for. */
function followOne(
  composed: Composed,
  flips: ReadonlyMap<number, AtomFlips>,
  isTrue: (atomId: number, ordinal: number) => boolean | undefined,
): boolean {
  const ordinals = new Set<number>();
  for (const { id } of composed.atoms.values()) {
    const own = flips.get(id);
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
    const truth = isTrue(composed.atoms.get(atomKey)?.id ?? -1, ordinal);
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
