import type { OrdinalSet } from '../core/bitmap.js';
import { compose } from '../core/compose.js';
import { RollcallError } from '../core/errors.js';
import { type AtomFlips, type RevisionFlips, UNIVERSE_ATOM_ID } from '../core/flips.js';
import type { Predicate } from '../core/predicates.js';
import type { Database } from '../storage/database.js';
import type { Environment, Head } from '../storage/environments.js';
import { ComposedSets, UNIVERSE_KEY } from './composed-sets.js';
import type { ReaderCatalog, ServedSegment } from './reader-catalog.js';
import type { SetCache } from './set-cache.js';
import { type CorruptionReport, type IndexSnapshot, readSnapshot } from './snapshot.js';

/** How an index is kept. */
export interface IndexOptions {
  readonly chunkCache: SetCache;
  /** Composed results, and selections at earlier revisions. */
  readonly composedCache: SetCache;
  readonly maxStalenessMs: number;
  readonly onCorrupt: CorruptionReport;
}

/** The members of one segment at one revision; `set` never changes. */
export interface Selection {
  readonly served: ServedSegment;
  readonly revision: number;
  readonly committedAt: Date;
  readonly asOf: Date;
  readonly set: OrdinalSet;
}

/** A revision as another room tells of it. */
export interface RevisionNews {
  readonly revision: number;
  readonly committedAt: Date;
  readonly flips: RevisionFlips;
}

/** An atom in memory, with how many flips its size in the cache does not know of. */
interface LoadedAtom {
  readonly set: OrdinalSet;
  readonly registeredRevision: number;
  flipsUnmeasured: number;
}

/** Flips after which an atom's size is measured again: they add at most some tens of KiB. */
const FLIPS_UNMEASURED = 4096;

/**
 * One environment's bitmaps in memory, all at one revision, following the log. Only `load` awaits; it applies what it read in one
 * step, so between two awaits everything here is at `revision` (I5).
 */
export class EnvironmentIndex {
  readonly environment: Environment;
  readonly #database: Database;
  readonly #options: IndexOptions;
  readonly #atoms = new Map<number, LoadedAtom>();
  readonly #composed: ComposedSets;
  readonly #used = new Map<string, ServedSegment>();
  readonly #selections = new Map<string, Selection>();
  #catalog: ReaderCatalog | undefined;
  #revision = -1;
  #committedAt = new Date(0);
  #asOf = new Date(0);
  #isFed = false;
  #confirmedAtMs = -Infinity;
  #loading: Promise<void> = Promise.resolve();
  #nextAdvance: Promise<void> | undefined;
  #hinted = -1;
  #isAdvancing = false;
  #isLoading = false;

  constructor(database: Database, environment: Environment, options: IndexOptions) {
    this.#database = database;
    this.environment = environment;
    this.#options = options;
    this.#composed = new ComposedSets(options.composedCache, `${environment.id}:now`);
  }

  /** The revision of everything in memory; -1 before the first load. */
  get revision(): number {
    return this.#revision;
  }

  /** When `revision` was committed, by the database's clock. */
  get committedAt(): Date {
    return this.#committedAt;
  }

  /** What the source held up to then is in memory: of a feed its watermark, never later than now; without one, whatever was committed before. */
  get asOf(): Date {
    return this.#asOf;
  }

  /** Throws DATABASE_UNAVAILABLE where nothing was loaded yet, or the database has been away for too long. */
  get catalog(): ReaderCatalog {
    const ageMs = performance.now() - this.#confirmedAtMs;
    if (this.#catalog === undefined || ageMs > this.#options.maxStalenessMs) {
      throw new RollcallError(
        'DATABASE_UNAVAILABLE',
        'the database is away, and what is in memory is too old to answer from',
        {
          metadata: { asOf: this.#asOf.toISOString() },
        },
      );
    }
    return this.#catalog;
  }

  get isLoaded(): boolean {
    return this.#catalog !== undefined;
  }

  /** Brings memory up to the newest revision in the database. Callers that wait for their turn share one: it begins after each of them asked. */
  async advance(): Promise<void> {
    this.#nextAdvance ??= this.#inTurn(() => {
      this.#nextAdvance = undefined;
      return this.#loadNow([]);
    });
    return this.#nextAdvance;
  }

  /** Brings memory up to the newest revision soon, if it is behind `revision`: news that may be false or late. */
  hint(revision: number, onError: (error: unknown) => void): void {
    if (revision <= this.#hinted) return;
    this.#hinted = revision;
    if (this.#isAdvancing || revision <= this.#revision) return;
    this.#isAdvancing = true;
    this.#advanceToHint()
      .catch(onError)
      .finally(() => {
        this.#isAdvancing = false;
      });
  }

  async #advanceToHint(): Promise<void> {
    for (let followed = -1; this.#revision < this.#hinted && followed < this.#hinted;) {
      followed = this.#hinted;
      await this.advance();
    }
  }

  /** Takes a revision that this process committed, if it is the next one, leaves the catalog as it is and no load is under way. False where memory is behind it. */
  offer(news: RevisionNews): boolean {
    if (news.revision <= this.#revision) return true;
    if (news.revision !== this.#revision + 1 || news.flips.catalogChanged || this.#isLoading) return false;
    this.#apply(news.flips);
    this.#moveTo(news.revision, news.committedAt);
    return true;
  }

  /** The database was seen at `revision`, committed at `committedAt`, at its time `readAt`. False where memory is not there. */
  confirm(head: Pick<Head, 'revision' | 'committedAt' | 'readAt' | 'fedUpTo'>): boolean {
    if (head.revision !== this.#revision || head.committedAt.getTime() !== this.#committedAt.getTime()) return false;
    this.#confirmed(head);
    return true;
  }

  /** Loads atoms and brings memory up to the newest revision, in one snapshot. Loads of one environment follow each other. */
  async load(atomIds: readonly number[]): Promise<void> {
    return this.#inTurn(() => this.#loadNow(atomIds));
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#loading.then(work);
    this.#loading = turn.catch(() => undefined);
    return turn;
  }

  /** Loads the universe, which every segment needs. */
  async loadUniverse(): Promise<void> {
    if (!this.#atoms.has(UNIVERSE_ATOM_ID)) await this.load([UNIVERSE_ATOM_ID]);
  }

  /** The atoms that were asked for since the last call. */
  takeUsedAtoms(): number[] {
    const keys = new Set([...this.#used.values()].flatMap(({ atoms }) => [...atoms.keys()]));
    this.#used.clear();
    return [...keys].flatMap((key) => this.#catalog?.atomByKey(key)?.id ?? []);
  }

  /** Whether the members of a segment are in memory, so that its atoms need not be. */
  isComposed({ predicate }: ServedSegment): boolean {
    return this.#composed.get(predicate.key) !== undefined;
  }

  /** The ids of the atoms of a segment, the universe among them, that are not in memory. */
  missing(served: ServedSegment): number[] {
    return [...this.#idsOf(served).values()].filter((id) => !this.#atoms.has(id));
  }

  /** The members at `revision`: not to be changed, and good only until the next `await`. Its atoms are in memory. */
  members(served: ServedSegment): OrdinalSet {
    const { predicate } = served;
    this.#used.set(predicate.key, served);
    const known = this.#composed.get(predicate.key);
    if (known !== undefined) return known;
    const ids = this.#idsOf(served);
    for (const id of ids.values()) this.#options.chunkCache.touch(this.#cacheKey(id));
    const set = this.#composeNow(predicate);
    if (!isShared(predicate)) this.#composed.put(predicate, ids, set);
    return set;
  }

  /** The members at `revision`, never to change. Its atoms are in memory. */
  holdMembers(served: ServedSegment): OrdinalSet {
    const { predicate } = served;
    const set = this.members(served);
    const own = isShared(predicate) && this.#composed.get(predicate.key) === undefined ? set.clone() : set;
    if (own !== set) this.#composed.put(predicate, this.#idsOf(served), own);
    return this.#composed.hold(predicate.key) ?? own;
  }

  /** A selection at an earlier revision that was kept with `keepSelection`. */
  keptSelection(predicateKey: string, revision: number): Selection | undefined {
    const key = `${predicateKey}@${revision}`;
    this.#options.composedCache.touch(this.#selectionCacheKey(key));
    return this.#selections.get(key);
  }

  /** Keeps a selection for the pages and streams that go on with it, until room is needed. */
  keepSelection(selection: Selection): void {
    const key = `${selection.served.predicate.key}@${selection.revision}`;
    if (this.#selections.has(key)) return;
    this.#selections.set(key, selection);
    this.#options.composedCache.put(this.#selectionCacheKey(key), selection.set.bytes, () =>
      this.#selections.delete(key),
    );
  }

  /** How many identities a predicate holds for, among atoms in memory. */
  count(predicate: Predicate): number {
    return (this.#composed.get(predicate.key) ?? this.#composeNow(predicate)).size;
  }

  /** Whether an ordinal is in an atom that is in memory. */
  isTrue(atomKey: string, ordinal: number): boolean {
    return this.#set(this.#idOf(atomKey)).has(ordinal);
  }

  /** Whether an ordinal is a live identity's. The universe is in memory. */
  isLive(ordinal: number): boolean {
    return this.#set(UNIVERSE_ATOM_ID).has(ordinal);
  }

  /** A copy of the bitmap of an atom in memory, the universe under `UNIVERSE_KEY`. */
  cloneAtom(atomKey: string): OrdinalSet {
    return this.#set(this.#idOf(atomKey)).clone();
  }

  atomIdOf(atomKey: string): number {
    return this.#idOf(atomKey);
  }

  /** The revision from which on an atom's flips are logged, so that earlier ones cannot be told from it. The universe: 0. */
  registeredRevisionOf(atomKey: string): number {
    return this.#atoms.get(this.#idOf(atomKey))?.registeredRevision ?? 0;
  }

  /** Live identities; undefined where the universe is not in memory. */
  get identities(): number | undefined {
    return this.#atoms.get(UNIVERSE_ATOM_ID)?.set.size;
  }

  /** Forgets everything. */
  clear(): void {
    for (const id of [...this.#atoms.keys()]) this.#options.chunkCache.delete(this.#cacheKey(id));
    this.#atoms.clear();
    this.#composed.clear();
    for (const key of [...this.#selections.keys()]) this.#options.composedCache.delete(this.#selectionCacheKey(key));
    this.#catalog = undefined;
    this.#revision = -1;
    this.#asOf = new Date(0);
    this.#hinted = -1;
  }

  async #loadNow(atomIds: readonly number[]): Promise<void> {
    this.#isLoading = true;
    try {
      let snapshot = await this.#read(atomIds);
      if (!this.#canFollow(snapshot)) {
        this.clear();
        snapshot = await this.#read(atomIds);
      }
      this.#take(snapshot);
    } finally {
      this.#isLoading = false;
    }
  }

  async #read(atomIds: readonly number[]): Promise<IndexSnapshot> {
    const request = {
      environment: this.environment,
      atomIds: atomIds.filter((id) => !this.#atoms.has(id)),
      revision: this.#revision,
      catalogRevision: this.#catalog?.revision ?? -1,
      maxBytes: this.#options.chunkCache.maxBytes,
    };
    return readSnapshot(this.#database, request, this.#options.onCorrupt);
  }

  /**
   * Whether the snapshot continues what is in memory: its log holds every revision from memory's own, which was committed at the same time. It
   * does not where the log was trimmed, or where the database was restored from a backup.
   */
  #canFollow({ head, log }: IndexSnapshot): boolean {
    if (this.#revision < 0) return true;
    const own = log.findIndex(({ revision }) => revision === this.#revision);
    return (
      own >= 0 &&
      log[own]?.committedAt.getTime() === this.#committedAt.getTime() &&
      log.length - own === head.revision - this.#revision + 1
    );
  }

  #take({ head, log, bases, catalog }: IndexSnapshot): void {
    if (catalog !== undefined) this.#catalog = catalog;
    for (const { revision, flips } of log) if (this.#revision >= 0 && revision > this.#revision) this.#apply(flips);
    for (const [id, { baseRevision, registeredRevision, set }] of bases) {
      for (const { revision, flips } of log) if (revision > baseRevision) applyFlips(set, flips.atoms.get(id));
      this.#keep(id, registeredRevision, set);
    }
    if (catalog !== undefined) this.#dropOutdated(catalog);
    this.#moveTo(head.revision, head.committedAt);
    this.#confirmed(head);
  }

  #apply({ atoms }: RevisionFlips): void {
    for (const [id, flips] of atoms) {
      const loaded = this.#atoms.get(id);
      if (loaded === undefined) continue;
      applyFlips(loaded.set, flips);
      loaded.flipsUnmeasured += flips.set.length + flips.cleared.length;
      if (loaded.flipsUnmeasured >= FLIPS_UNMEASURED) this.#measure(id, loaded);
    }
    this.#composed.follow(atoms, (id, ordinal) => this.#atoms.get(id)?.set.has(ordinal));
  }

  #keep(id: number, registeredRevision: number, set: OrdinalSet): void {
    const loaded = { set, registeredRevision, flipsUnmeasured: 0 };
    this.#atoms.set(id, loaded);
    this.#options.chunkCache.put(this.#cacheKey(id), set.bytes, () => {
      if (this.#atoms.get(id) === loaded) this.#atoms.delete(id);
    });
  }

  #measure(id: number, loaded: LoadedAtom): void {
    loaded.flipsUnmeasured = 0;
    this.#options.chunkCache.resize(this.#cacheKey(id), loaded.set.bytes);
  }

  /** Atoms that were dropped or built again since they were loaded. A universe that is being built again still serves: it followed the log. */
  #dropOutdated(catalog: ReaderCatalog): void {
    for (const [id, { registeredRevision }] of this.#atoms) {
      const atom = catalog.atomById(id);
      if (id === UNIVERSE_ATOM_ID && atom?.state === 'building') continue;
      if (atom?.state === 'ready' && atom.registeredRevision === registeredRevision) continue;
      this.#options.chunkCache.delete(this.#cacheKey(id));
      this.#composed.drop(id);
    }
  }

  #moveTo(revision: number, committedAt: Date): void {
    this.#revision = revision;
    this.#committedAt = committedAt;
    if (!this.#isFed && committedAt > this.#asOf) this.#asOf = committedAt;
  }

  #confirmed({ readAt, fedUpTo }: Pick<Head, 'readAt' | 'fedUpTo'>): void {
    this.#isFed = fedUpTo !== null;
    if (fedUpTo !== null) this.#asOf = fedUpTo < readAt ? fedUpTo : readAt;
    else if (readAt > this.#asOf) this.#asOf = readAt;
    this.#confirmedAtMs = performance.now();
  }

  #composeNow(predicate: Predicate): OrdinalSet {
    return compose(predicate, { universe: this.#set(UNIVERSE_ATOM_ID), atom: (key) => this.#set(this.#idOf(key)) });
  }

  #set(id: number): OrdinalSet {
    const loaded = this.#atoms.get(id);
    if (loaded === undefined) throw new RollcallError('INTERNAL', `the atom ${id} is not in memory`);
    return loaded.set;
  }

  #idOf(atomKey: string): number {
    if (atomKey === UNIVERSE_KEY) return UNIVERSE_ATOM_ID;
    const atom = this.catalog.atomByKey(atomKey);
    if (atom === undefined) throw new RollcallError('INTERNAL', 'an atom of a segment is not in the catalog');
    return atom.id;
  }

  #idsOf({ atoms }: ServedSegment): Map<string, number> {
    const ids = new Map([[UNIVERSE_KEY, UNIVERSE_ATOM_ID]]);
    for (const key of atoms.keys()) ids.set(key, this.#idOf(key));
    return ids;
  }

  #selectionCacheKey(key: string): string {
    return `${this.environment.id}:kept:${key}`;
  }

  #cacheKey(id: number): string {
    return `${this.environment.id}:${id}`;
  }
}

/** Whether composing gives an atom's own bitmap rather than a new one. */
function isShared(predicate: Predicate): boolean {
  return predicate.kind === 'atom' || predicate.kind === 'everyone';
}

function applyFlips(set: OrdinalSet, flips: AtomFlips | undefined): void {
  if (flips === undefined) return;
  set.addAll(flips.set);
  set.deleteAll(flips.cleared);
}
