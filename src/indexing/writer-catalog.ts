import { AtomIndex } from '../core/atom-index/atom-index.js';
import type { IdentityKeyMode } from '../core/environment-settings.js';
import { type FlipCollector, UNIVERSE_ATOM_ID } from '../core/flips.js';
import type { IdentityView } from '../core/properties/properties.js';
import { readAtoms, type StoredAtom } from '../storage/atoms.js';
import type { Sql } from '../storage/database.js';
import { type Environment, readHead, type TakenRevision } from '../storage/environments.js';
import { readOperandList } from '../storage/operand-lists.js';
import type { ChangedState, IdentityState, Transition } from './working-set.js';

/** A revision that this process saw committed: by its time a database is known again that was restored or failed over. */
export interface SeenRevision {
  readonly revision: number;
  readonly committedAt: Date;
}

/** What a writer knows of an environment's atoms: all of them, ready or building, as of one catalog revision. */
export class WriterCatalog {
  readonly #environment: Environment;
  /** By the mode of `identity.key` that atoms see; those that see none are with those of the environment's mode. While that is switched there are atoms of both. */
  readonly #indexes: ReadonlyMap<IdentityKeyMode, AtomIndex>;
  readonly #keys = new Map<number, string>();
  #revision = -1;
  #loads = 0;
  #seen: SeenRevision = { revision: 0, committedAt: new Date(NaN) };

  constructor(environment: Environment) {
    this.#environment = environment;
    const other = environment.identityKeyMode === 'id' ? 'composite' : 'id';
    const modes = [environment.identityKeyMode, other] as const;
    this.#indexes = new Map(modes.map((mode) => [mode, new AtomIndex(environment)]));
  }

  /** How many atoms it has. */
  get size(): number {
    return this.#keys.size;
  }

  /** How often it was loaded: what two loads gave may differ. */
  get loads(): number {
    return this.#loads;
  }

  /** The last revision of the database that it was loaded from. */
  get seen(): SeenRevision {
    return this.#seen;
  }

  /** Notes a revision that was committed with this catalog. */
  see(seen: SeenRevision): void {
    this.#seen = seen;
  }

  /** Whether it is what the head's holder would load: `seen` is the revision that the head was taken with. The catalog revision alone may come again after a restore. */
  isCurrent({ catalogRevision, knownAt }: TakenRevision, seen: SeenRevision): boolean {
    return catalogRevision === this.#revision && knownAt?.getTime() === seen.committedAt.getTime();
  }

  /**
   * Brings the catalog to what the connection sees. The caller holds the environment's head, so loads follow each other. An atom is the same as long as its id and its
   * key are; in a restored database an id may come again with another key.
   */
  async load(sql: Sql): Promise<void> {
    const head = await readHead(sql, this.#environment.id);
    const atoms = await readAtoms(sql, this.#environment.id);
    const lists = new Map<string, ReadonlySet<string>>();
    for (const { id, key, definition } of atoms) {
      if (definition.list !== '' && this.#keys.get(id) !== key)
        lists.set(definition.list, await readOperandList(sql, definition.list));
    }
    if (head === undefined) return;
    this.#replace(atoms, lists);
    this.#revision = head.catalogRevision;
    this.#loads++;
  }

  #replace(atoms: readonly StoredAtom[], lists: ReadonlyMap<string, ReadonlySet<string>>): void {
    const present = new Set(atoms.map(({ id }) => id));
    for (const { id, key, definition } of atoms) {
      if (this.#keys.get(id) === key) continue;
      this.#remove(id);
      const mode = definition.settings?.identityKeyMode ?? this.#environment.identityKeyMode;
      this.#indexes.get(mode)?.add(id, definition, lists.get(definition.list));
      this.#keys.set(id, key);
    }
    for (const id of this.#keys.keys()) {
      if (present.has(id)) continue;
      this.#remove(id);
      this.#keys.delete(id);
    }
  }

  #remove(id: number): void {
    for (const index of this.#indexes.values()) index.remove(id);
  }

  /** Collects which atoms the transitions flip, the universe among them. Differences come from values, never from bitmaps. */
  collectFlips(transitions: readonly Transition[], flips: FlipCollector): void {
    for (const { id, before, after } of transitions)
      if ((before === undefined) !== (after === undefined)) flips.add(UNIVERSE_ATOM_ID, id, after !== undefined);
    for (const [identityKeyMode, index] of this.#indexes)
      if (index.size > 0) collectFrom(index, { ...this.#environment, identityKeyMode }, transitions, flips);
  }
}

function collectFrom(
  index: AtomIndex,
  environment: Environment,
  transitions: readonly Transition[],
  flips: FlipCollector,
): void {
  let ordinal = 0;
  const report = (atomId: number, isSet: boolean): void => flips.add(atomId, ordinal, isSet);
  for (const { id, before, after } of transitions) {
    ordinal = id;
    const old = before && viewOf(environment, id, before);
    if (old === undefined || before === undefined || after === undefined)
      index.flips(old, after && viewOf(environment, id, after), report);
    else index.flips(old, viewAfter(environment, old, before, after), report, after.traits.differences.keys());
  }
}

function viewAfter(
  environment: Environment,
  { id, identifier, key }: IdentityView,
  before: IdentityState,
  after: ChangedState,
): IdentityView {
  return after.identifier === before.identifier && after.keyOverride === before.keyOverride
    ? { id, identifier, key, traits: after.traits }
    : viewOf(environment, id, after);
}

/** An identity as conditions see it in this environment, with its mode of `identity.key`. */
export function viewOf(
  environment: Pick<Environment, 'key' | 'ordinalMode' | 'identityKeyMode'>,
  id: number,
  { identifier, keyOverride, traits }: IdentityState,
): IdentityView {
  return { id, identifier, key: identityKey(environment, id, identifier, keyOverride), traits };
}

/** An ordinal that Rollcall allots means nothing outside. */
function identityKey(
  { key, ordinalMode, identityKeyMode }: Pick<Environment, 'key' | 'ordinalMode' | 'identityKeyMode'>,
  id: number,
  identifier: string,
  keyOverride: string | undefined,
): string {
  if (identityKeyMode === 'id' && ordinalMode === 'given') return String(id);
  const composite = `${key}_${identifier}`;
  return identityKeyMode === 'id' ? (keyOverride ?? composite) : composite;
}
