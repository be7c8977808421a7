import { AtomIndex } from '../core/atom-index/atom-index.js';
import type { ReportFlip } from '../core/atom-index/value-index.js';
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
  readonly #index: AtomIndex;
  readonly #keys = new Map<number, string>();
  #revision = -1;
  #loads = 0;
  #seen: SeenRevision = { revision: 0, committedAt: new Date(NaN) };

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#index = new AtomIndex(environment);
  }

  /** How many atoms it has. */
  get size(): number {
    return this.#index.size;
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
      this.#index.add(id, definition, lists.get(definition.list));
      this.#keys.set(id, key);
    }
    for (const id of this.#keys.keys()) {
      if (present.has(id)) continue;
      this.#index.remove(id);
      this.#keys.delete(id);
    }
  }

  /** Collects which atoms the transitions flip, the universe among them. Differences come from values, never from bitmaps. */
  collectFlips(transitions: readonly Transition[], flips: FlipCollector): void {
    let ordinal = 0;
    const report = (atomId: number, isSet: boolean): void => flips.add(atomId, ordinal, isSet);
    for (const { id, before, after } of transitions) {
      ordinal = id;
      if (before !== undefined && after !== undefined) this.#flipChanged(id, before, after, report);
      else if (before !== undefined || after !== undefined) {
        report(UNIVERSE_ATOM_ID, after !== undefined);
        this.#index.flips(this.#view(id, before), this.#view(id, after), report);
      }
    }
  }

  #flipChanged(id: number, before: IdentityState, after: ChangedState, report: ReportFlip): void {
    const old = viewOf(this.#environment, id, before.identifier, before.traits);
    const now =
      after.identifier === before.identifier
        ? { id, identifier: old.identifier, key: old.key, traits: after.traits }
        : viewOf(this.#environment, id, after.identifier, after.traits);
    this.#index.flips(old, now, report, after.traits.differences.keys());
  }

  #view(id: number, state: IdentityState | undefined): IdentityView | undefined {
    return state === undefined ? undefined : viewOf(this.#environment, id, state.identifier, state.traits);
  }
}

/** An identity as conditions see it in this environment. */
export function viewOf(
  environment: Environment,
  id: number,
  identifier: string,
  traits: ReadonlyMap<string, string>,
): IdentityView {
  const key = environment.identityKeyMode === 'id' ? String(id) : `${environment.key}_${identifier}`;
  return { id, identifier, key, traits };
}
