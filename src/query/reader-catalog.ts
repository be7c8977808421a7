import type { AtomDefinition } from '../core/atoms.js';
import { atomsOfTree, compileSegment, type CompiledNode, type CompileContext } from '../core/compile.js';
import { RollcallError } from '../core/errors.js';
import { atomsOf, type Predicate } from '../core/predicates.js';
import type { EnvironmentSettings } from '../core/environment-settings.js';
import type { SegmentDefinition } from '../core/segments.js';
import type { StoredAtom } from '../storage/atoms.js';
import type { Environment } from '../storage/environments.js';
import type { SegmentVersion } from '../storage/segments.js';

/**
 * A definition compiled for an environment under some of its settings, whose atoms are all there. `isPending`: a newer one, or newer settings, wait for their
 * atoms.
 */
export interface ServedSegment {
  readonly key: string;
  readonly etag: string;
  readonly isPending: boolean;
  readonly settings: EnvironmentSettings;
  readonly compiled: CompiledNode;
  readonly predicate: Predicate;
  readonly atoms: ReadonlyMap<string, AtomDefinition>;
}

/** What an environment's segments and atoms are as of one catalog revision. Compiles segments when they are first asked for. */
export class ReaderCatalog implements CompileContext {
  readonly environment: Environment;
  readonly revision: number;
  readonly #atoms: ReadonlyMap<string, StoredAtom>;
  readonly #atomsById: ReadonlyMap<number, StoredAtom>;
  readonly #versions: ReadonlyMap<string, readonly SegmentVersion[]>;
  readonly #served = new Map<string, ServedSegment>();
  readonly #unserved = new Map<string, unknown>();
  readonly #beingServed = new Set<string>();
  readonly #unservedWithin = new Map<string, unknown>();

  /** `versions` are by key, the newest first; `universe` is not among `atoms`. */
  constructor(
    environment: Environment,
    revision: number,
    atoms: readonly StoredAtom[],
    versions: readonly SegmentVersion[],
    universe: StoredAtom | undefined,
  ) {
    this.environment = environment;
    this.revision = revision;
    this.#atoms = new Map(atoms.map((atom) => [atom.key, atom]));
    this.#atomsById = new Map([...atoms, ...(universe === undefined ? [] : [universe])].map((atom) => [atom.id, atom]));
    const byKey = new Map<string, SegmentVersion[]>();
    for (const version of versions) byKey.set(version.key, [...(byKey.get(version.key) ?? []), version]);
    this.#versions = byKey;
  }

  /** Every segment's key whose newest definition is enabled. */
  enabledSegments(): string[] {
    return [...this.#versions].filter(([, [newest]]) => newest?.definition.enabled ?? false).map(([key]) => key);
  }

  /** How many atoms are being built. */
  get building(): number {
    return [...this.#atoms.values()].filter(({ state }) => state === 'building').length;
  }

  /** The universe too. */
  atomById(id: number): StoredAtom | undefined {
    return this.#atomsById.get(id);
  }

  atomByKey(key: string): StoredAtom | undefined {
    return this.#atoms.get(key);
  }

  /**
   * The newest definition of a segment whose atoms are all ready, under the newest settings for which they are. Throws SEGMENT_NOT_FOUND, ATOM_BUILDING where there is none yet, or
   * what makes the segment unanswerable (I10).
   */
  serve(key: string): ServedSegment {
    const known = this.#served.get(key);
    if (known !== undefined) return known;
    const versions = this.#versions.get(key);
    if (versions === undefined) throw unknownSegment(key);
    if (this.#unserved.has(key) || this.#unservedWithin.has(key))
      throw this.#unserved.get(key) ?? this.#unservedWithin.get(key);
    const served = this.#firstReady(key, versions);
    this.#served.set(key, served);
    return served;
  }

  /** The newest definition of a segment, whether its atoms are ready or not. Throws SEGMENT_NOT_FOUND, or as `compileSegment`. */
  newest(key: string): ServedSegment {
    const [newest] = this.#versions.get(key) ?? [];
    if (newest === undefined) throw unknownSegment(key);
    return this.#compile(newest);
  }

  /** A draft, compiled among the stored segments as they are served. Throws as `compileSegment`, and ATOM_BUILDING. */
  serveDraft(key: string, definition: SegmentDefinition): ServedSegment {
    const served = this.#compile({ key, version: 0, etag: '', definition });
    this.#checkReady(served);
    return served;
  }

  /** The same segment with the atoms of every rule and condition, also where the whole needs fewer. Throws ATOM_BUILDING. */
  withAllAtoms(served: ServedSegment): ServedSegment {
    const whole = { ...served, atoms: atomsOfTree(served.compiled) };
    this.#checkReady(whole);
    return whole;
  }

  /** The atoms of a draft that this environment does not have. Throws as `compileSegment`. */
  atomsMissingFor(key: string, definition: SegmentDefinition): ReadonlyMap<string, AtomDefinition> {
    const atoms = atomsOfTree(this.#compile({ key, version: 0, etag: '', definition }).compiled);
    return new Map([...atoms].filter(([atomKey]) => !this.#atoms.has(atomKey)));
  }

  /** What a reference leads to: the definition that is served, or the newest where none is. */
  definitionOf(key: string): SegmentDefinition | undefined {
    const versions = this.#versions.get(key);
    if (versions === undefined || versions.length === 1 || this.#beingServed.has(key)) return versions?.[0]?.definition;
    try {
      const { etag } = this.serve(key);
      return versions.find((version) => version.etag === etag)?.definition;
    } catch (error) {
      if (error instanceof RollcallError) return versions[0]?.definition;
      throw error;
    }
  }

  #firstReady(key: string, versions: readonly SegmentVersion[]): ServedSegment {
    this.#beingServed.add(key);
    try {
      let newestError: unknown;
      for (const [version, settings] of this.#candidates(versions)) {
        try {
          const served = this.#compile(version, settings);
          this.#checkReady(served);
          return { ...served, isPending: newestError !== undefined };
        } catch (error) {
          if (!(error instanceof RollcallError)) throw error;
          newestError ??= error;
        }
      }
      throw this.#noteUnserved(key, newestError);
    } finally {
      this.#beingServed.delete(key);
      if (this.#beingServed.size === 0) this.#unservedWithin.clear();
    }
  }

  /** Each definition under each of the settings, the newest first. */
  *#candidates(versions: readonly SegmentVersion[]): Generator<readonly [SegmentVersion, EnvironmentSettings]> {
    for (const version of versions) {
      yield [version, this.environment];
      for (const settings of this.environment.earlierSettings) yield [version, settings];
    }
  }

  /**
   * Why a segment cannot be served is found out once: a chain of segments would else be compiled in every combination of their versions. What is found within
   * the serving of another segment holds only there, where that one counts as its newest version.
   */
  #noteUnserved(key: string, error: unknown): unknown {
    (this.#beingServed.size === 1 ? this.#unserved : this.#unservedWithin).set(key, error);
    return error;
  }

  /** Under the present settings unless told others: all that it refers to under the same. */
  #compile({ key, etag, definition }: SegmentVersion, settings: EnvironmentSettings = this.environment): ServedSegment {
    const environment = { ...this.environment, ...settings };
    const compiled = compileSegment(key, definition, {
      environment,
      definitionOf: (other) => this.definitionOf(other),
    });
    const { predicate } = compiled;
    return { key, etag, isPending: false, settings, compiled, predicate, atoms: atomsOf(predicate) };
  }

  #checkReady({ key, atoms }: ServedSegment): void {
    const wanted = [...atoms.keys()].map((atomKey) => this.#atoms.get(atomKey));
    const ready = wanted.filter((atom) => atom?.state === 'ready').length;
    if (ready === wanted.length) return;
    const building = wanted.find((atom) => atom?.state === 'building');
    throw new RollcallError(
      'ATOM_BUILDING',
      `the segment '${key}' is not ready: ${ready} of its ${wanted.length} atoms are built`,
      {
        metadata: {
          segment: key,
          ...(building === undefined ? {} : { atom: String(building.id) }),
          progress: (ready / wanted.length).toFixed(3),
          atomsReady: String(ready),
          atoms: String(wanted.length),
          retryAfterMs: '500',
        },
      },
    );
  }
}

function unknownSegment(key: string): RollcallError {
  return new RollcallError('SEGMENT_NOT_FOUND', `the segment '${key}' does not exist`, { metadata: { segment: key } });
}
