import type { OrdinalSet } from '../core/bitmap.js';
import type { AtomFlips } from '../core/flips.js';
import type { SetCache } from './set-cache.js';

/** An atom as it was registered at a revision: one that is built again is another version. */
export interface AtomVersion {
  readonly id: number;
  readonly registeredRevision: number;
}

/** A bitmap in memory, with how many flips its size in the cache does not know of. */
interface LoadedAtom {
  readonly set: OrdinalSet;
  readonly version: AtomVersion;
  flipsUnmeasured: number;
}

/** Flips after which a bitmap's size is measured again: they add at most some tens of KiB. */
const FLIPS_UNMEASURED = 4096;

/** The bitmaps of one environment's atoms that are in memory, all at its index's revision: as many as the cache of all environments has room for. */
export class LoadedAtoms {
  readonly #cache: SetCache;
  readonly #scope: string;
  readonly #atoms = new Map<number, LoadedAtom>();

  /** `scope` sets this environment's entries apart in the cache. */
  constructor(cache: SetCache, scope: string) {
    this.#cache = cache;
    this.#scope = scope;
  }

  has(id: number): boolean {
    return this.#atoms.has(id);
  }

  /** The bitmap of an atom, which a revision will change; undefined where it is not in memory. */
  get(id: number): OrdinalSet | undefined {
    return this.#atoms.get(id)?.set;
  }

  versionOf(id: number): AtomVersion | undefined {
    return this.#atoms.get(id)?.version;
  }

  /** Notes that an atom was used. */
  touch(id: number): void {
    this.#cache.touch(this.#cacheKey(id));
  }

  /** Keeps a bitmap that is nobody else's, until room is needed. */
  put(version: AtomVersion, set: OrdinalSet): void {
    const { id } = version;
    const loaded = { set, version, flipsUnmeasured: 0 };
    this.#atoms.set(id, loaded);
    this.#cache.put(this.#cacheKey(id), set.bytes, () => {
      if (this.#atoms.get(id) === loaded) this.#atoms.delete(id);
    });
  }

  /** Follows a revision. */
  apply(flips: ReadonlyMap<number, AtomFlips>): void {
    for (const [id, own] of flips) {
      const loaded = this.#atoms.get(id);
      if (loaded === undefined) continue;
      applyFlips(loaded.set, own);
      loaded.flipsUnmeasured += own.set.length + own.cleared.length;
      if (loaded.flipsUnmeasured < FLIPS_UNMEASURED) continue;
      loaded.flipsUnmeasured = 0;
      this.#cache.resize(this.#cacheKey(id), loaded.set.bytes);
    }
  }

  /** Forgets the atoms that are not `isCurrent`. */
  retain(isCurrent: (version: AtomVersion) => boolean): void {
    for (const { version } of [...this.#atoms.values()])
      if (!isCurrent(version)) this.#cache.delete(this.#cacheKey(version.id));
  }

  clear(): void {
    this.retain(() => false);
  }

  #cacheKey(id: number): string {
    return `${this.#scope}:${id}`;
  }
}

/** Brings a bitmap from the revision before to the one that flipped these ordinals. */
export function applyFlips(set: OrdinalSet, flips: AtomFlips): void {
  set.addAll(flips.set);
  set.deleteAll(flips.cleared);
}
