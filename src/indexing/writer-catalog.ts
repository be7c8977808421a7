import { AtomIndex } from '../core/atom-index/atom-index.js';
import { type FlipCollector, UNIVERSE_ATOM_ID } from '../core/flips.js';
import type { IdentityView } from '../core/properties/properties.js';
import { readAtoms, type StoredAtom } from '../storage/atoms.js';
import type { Sql } from '../storage/database.js';
import { type Environment, readHead } from '../storage/environments.js';
import { readOperandList } from '../storage/operand-lists.js';
import type { IdentityState, Transition } from './working-set.js';

/** What a writer knows of an environment's atoms: all of them, ready or building, as of one catalog revision. */
export class WriterCatalog {
  readonly #environment: Environment;
  readonly #index: AtomIndex;
  readonly #known = new Set<number>();
  #revision = -1;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#index = new AtomIndex(environment);
  }

  /** The catalog revision that is loaded; -1 before the first load. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * Brings the catalog up to what the connection sees. Atoms never change, so only those that came or went are looked at. A load that
   * saw less than one that ended before it changes nothing.
   */
  async load(sql: Sql): Promise<void> {
    const head = await readHead(sql, this.#environment.id);
    const atoms = await readAtoms(sql, this.#environment.id);
    const lists = new Map<string, ReadonlySet<string>>();
    for (const { id, definition } of atoms) {
      if (definition.list !== '' && !this.#known.has(id))
        lists.set(definition.list, await readOperandList(sql, definition.list));
    }
    if (head === undefined || head.catalogRevision <= this.#revision) return;
    this.#replace(atoms, lists);
    this.#revision = head.catalogRevision;
  }

  #replace(atoms: readonly StoredAtom[], lists: ReadonlyMap<string, ReadonlySet<string>>): void {
    const present = new Set(atoms.map(({ id }) => id));
    for (const { id, definition } of atoms) {
      if (this.#known.has(id)) continue;
      this.#index.add(id, definition, lists.get(definition.list));
      this.#known.add(id);
    }
    for (const id of this.#known) {
      if (present.has(id)) continue;
      this.#index.remove(id);
      this.#known.delete(id);
    }
  }

  /** Collects which atoms the transitions flip, the universe among them. Differences come from values, never from bitmaps. */
  collectFlips(transitions: readonly Transition[], flips: FlipCollector): void {
    for (const { id, before, after } of transitions) {
      if (before === undefined && after === undefined) continue;
      if (before === undefined || after === undefined) flips.add(UNIVERSE_ATOM_ID, id, after !== undefined);
      this.#index.flips(this.#view(id, before), this.#view(id, after), (atomId, isSet) => {
        flips.add(atomId, id, isSet);
      });
    }
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
