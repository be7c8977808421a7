import type { OrdinalSet } from '../core/bitmap.js';
import { compose } from '../core/compose.js';
import { RollcallError } from '../core/errors.js';
import { type RevisionFlips, UNIVERSE_ATOM_ID } from '../core/flips.js';
import type { Predicate } from '../core/predicates.js';
import type { Database } from '../storage/database.js';
import type { Environment, Head } from '../storage/environments.js';
import { CheckPlans } from './check-plans.js';
import { ComposedSets, UNIVERSE_KEY } from './composed-sets.js';
import { expectAnswering } from './environment-state.js';
import { KeptValues } from './kept-values.js';
import { LoadTurns } from './load-turns.js';
import { applyFlips, type AtomVersion, LoadedAtoms } from './loaded-atoms.js';
import { OperandLists } from './operand-lists.js';
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

/** What an answer says of the definition that it was evaluated with; it keeps no compiled segment in memory. */
export interface ServedDefinition extends Pick<ServedSegment, 'key' | 'etag' | 'isPending'> {
  readonly predicate: { readonly key: string };
}

/** The members of one segment at one revision; `set` never changes. */
export interface Selection {
  readonly served: ServedDefinition;
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

/**
 * One environment's bitmaps in memory, all at one revision, following the log. Only loading awaits; it applies what it read in one
 * step, so between two awaits everything here is at `revision` (I5).
 */
export class EnvironmentIndex {
  /** The stored lists that conditions refer to. */
  readonly operandLists: OperandLists;
  /** Segments made ready for identities whose traits callers bring. */
  readonly checkPlans: CheckPlans;
  readonly #database: Database;
  readonly #options: IndexOptions;
  readonly #atoms: LoadedAtoms;
  readonly #composed: ComposedSets;
  readonly #selections: KeptValues<Selection>;
  readonly #usedKeys = new Set<string>();
  readonly #turns = new LoadTurns(
    (atomIds) => this.#loadNow(atomIds),
    () => this.#revision,
  );
  #environment: Environment;
  #catalog: ReaderCatalog | undefined;
  #revision = -1;
  #committedAt = new Date(0);
  #asOf = new Date(0);
  #isFed = false;
  #confirmedAtMs = -Infinity;
  #isLoading = false;

  constructor(database: Database, environment: Environment, options: IndexOptions) {
    this.#database = database;
    this.#environment = environment;
    this.#options = options;
    this.#atoms = new LoadedAtoms(options.chunkCache, `${environment.id}`);
    this.#composed = new ComposedSets(options.composedCache, `${environment.id}:now`);
    this.#selections = new KeptValues(options.composedCache, `${environment.id}:kept`);
    this.operandLists = new OperandLists(database, options.composedCache, `${environment.id}:list`);
    this.checkPlans = new CheckPlans(options.composedCache, `${environment.id}:check`);
  }

  /** As of the last catalog that was loaded; its id and key never change. */
  get environment(): Environment {
    return this.#environment;
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

  /** Throws DATABASE_UNAVAILABLE where nothing was loaded yet, or the database has been away for too long; and as `expectAnswering`. */
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
    expectAnswering(this.#environment);
    return this.#catalog;
  }

  get isLoaded(): boolean {
    return this.#catalog !== undefined;
  }

  /** Brings memory up to the newest revision in the database. Callers that wait for their turn share one: it begins after each of them asked. */
  async advance(): Promise<void> {
    return this.#turns.advance();
  }

  /** Brings memory up to the newest revision soon, if it is behind `revision`: news that may be false or late. */
  hint(revision: number, onError: (error: unknown) => void): void {
    this.#turns.hint(revision, onError);
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
    return this.#turns.load(atomIds);
  }

  /** Loads the universe, which every segment needs. */
  async loadUniverse(): Promise<void> {
    if (!this.#atoms.has(UNIVERSE_ATOM_ID)) await this.load([UNIVERSE_ATOM_ID]);
  }

  /** Notes that a segment was asked for, so that its atoms do not expire. */
  noteUsed({ atoms }: ServedSegment): void {
    for (const key of atoms.keys()) this.#usedKeys.add(key);
  }

  /** The atoms that were asked for since the last call. */
  takeUsedAtoms(): number[] {
    const keys = [...this.#usedKeys];
    this.#usedKeys.clear();
    return keys.flatMap((key) => this.#catalog?.atomByKey(key)?.id ?? []);
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
    const known = this.#composed.get(predicate.key);
    if (known !== undefined) return known;
    for (const id of this.#idsOf(served).values()) this.#atoms.touch(id);
    const set = this.#composeNow(predicate);
    if (!isShared(predicate)) this.#composed.put(predicate, this.#versionsOf(served), set);
    return set;
  }

  /** The members at `revision`, never to change. Its atoms are in memory. */
  holdMembers(served: ServedSegment): OrdinalSet {
    const { predicate } = served;
    const set = this.members(served);
    const own = isShared(predicate) && this.#composed.get(predicate.key) === undefined ? set.clone() : set;
    if (own !== set) this.#composed.put(predicate, this.#versionsOf(served), own);
    return this.#composed.hold(predicate.key) ?? own;
  }

  /** A selection at an earlier revision that was kept with `keepSelection`. */
  keptSelection(predicateKey: string, revision: number): Selection | undefined {
    return this.#selections.get(`${predicateKey}@${revision}`);
  }

  /** Keeps a selection for the pages and streams that go on with it, until room is needed. */
  keepSelection(selection: Selection): void {
    const key = `${selection.served.predicate.key}@${selection.revision}`;
    if (this.#selections.get(key) === undefined) this.#selections.put(key, selection, selection.set.bytes);
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
    return this.#atoms.versionOf(this.#idOf(atomKey))?.registeredRevision ?? 0;
  }

  /** Live identities; undefined where the universe is not in memory. */
  get identities(): number | undefined {
    return this.#atoms.get(UNIVERSE_ATOM_ID)?.size;
  }

  /** Forgets everything. */
  clear(): void {
    this.#forgetBitmaps();
    this.operandLists.clear();
    this.checkPlans.clear();
    this.#catalog = undefined;
    this.#revision = -1;
    this.#asOf = new Date(0);
    this.#turns.forgetHint();
  }

  #forgetBitmaps(): void {
    this.#atoms.clear();
    this.#composed.clear();
    this.#selections.clear();
  }

  async #loadNow(atomIds: readonly number[]): Promise<void> {
    this.#isLoading = true;
    try {
      const missing = atomIds.filter((id) => !this.#atoms.has(id));
      const next = await this.#read(missing, this.#revision, this.#catalog?.revision ?? -1);
      if (this.#canFollow(next)) {
        this.#take(next);
        return;
      }
      // What is in memory goes on answering until what takes its place is there.
      const anew = await this.#read(atomIds, -1, -1);
      this.clear();
      this.#take(anew);
    } finally {
      this.#isLoading = false;
    }
  }

  async #read(atomIds: readonly number[], revision: number, catalogRevision: number): Promise<IndexSnapshot> {
    const { maxBytes } = this.#options.chunkCache;
    const request = { environment: this.environment, atomIds, revision, catalogRevision, maxBytes };
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
    if (catalog !== undefined) {
      this.#catalog = catalog;
      this.#environment = catalog.environment;
    }
    for (const { revision, flips } of log) if (this.#revision >= 0 && revision > this.#revision) this.#apply(flips);
    for (const [id, { baseRevision, registeredRevision, set }] of bases) {
      for (const { revision, flips } of log) {
        const own = revision > baseRevision ? flips.atoms.get(id) : undefined;
        if (own !== undefined) applyFlips(set, own);
      }
      this.#atoms.put({ id, registeredRevision }, set);
    }
    if (catalog !== undefined) this.#dropOutdated(catalog);
    if (this.#environment.state === 'off') this.#forgetBitmaps();
    this.#moveTo(head.revision, head.committedAt);
    this.#confirmed(head);
  }

  #apply({ atoms }: RevisionFlips): void {
    this.#atoms.apply(atoms);
    this.#composed.follow(atoms, (id, ordinal) => this.#atoms.get(id)?.has(ordinal));
  }

  /** Atoms that were dropped or built again since they were loaded. A universe that is being built again still serves: it followed the log. */
  #dropOutdated(catalog: ReaderCatalog): void {
    const isCurrent = ({ id, registeredRevision }: AtomVersion): boolean => {
      const atom = catalog.atomById(id);
      if (id === UNIVERSE_ATOM_ID && atom?.state === 'building') return true;
      return atom?.state === 'ready' && atom.registeredRevision === registeredRevision;
    };
    this.#atoms.retain(isCurrent);
    this.#composed.retain(isCurrent);
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
    return this.#atoms.get(id) ?? notInMemory(id);
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

  #versionsOf(served: ServedSegment): Map<string, AtomVersion> {
    return new Map([...this.#idsOf(served)].map(([key, id]) => [key, this.#atoms.versionOf(id) ?? notInMemory(id)]));
  }
}

/** Whether composing gives an atom's own bitmap rather than a new one. */
function isShared(predicate: Predicate): boolean {
  return predicate.kind === 'atom' || predicate.kind === 'everyone';
}

function notInMemory(id: number): never {
  throw new RollcallError('INTERNAL', `the atom ${id} is not in memory`);
}
