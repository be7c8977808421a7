import type { AtomDefinition } from '../atoms.js';
import {
  dependenciesOf,
  type EnvironmentView,
  type IdentityView,
  type Property,
  propertyOf,
  resolveProperty,
} from '../properties/properties.js';
import { type ReportFlip, ValueIndex } from './value-index.js';

/** The atoms of an environment by what they look at: from a change of an identity to the atoms that flip. */
export class AtomIndex {
  readonly #environment: EnvironmentView;
  readonly #columns = new Map<string, Column>();
  readonly #columnOf = new Map<number, Column>();
  readonly #byTrait = new Map<string, Set<Column>>();
  readonly #byIdentifier = new Set<Column>();
  readonly #byAnything = new Set<Column>();
  #pass = 0;

  constructor(environment: EnvironmentView) {
    this.#environment = environment;
  }

  get size(): number {
    return this.#columnOf.size;
  }

  /** `list` holds the values of the atom's stored operand list. Throws as `parseProperty` and `compileMatcher` do; then nothing is added. */
  add(atomId: number, definition: AtomDefinition, list?: ReadonlySet<string>): void {
    this.remove(atomId);
    const property = propertyOf(definition, this.#environment);
    const name = `${property.kind} ${definition.settings?.name ?? ''} ${definition.property}`;
    const column = this.#columns.get(name) ?? { name, property, values: new ValueIndex(), lastPass: 0 };
    column.values.add(atomId, definition, list);
    this.#columnOf.set(atomId, column);
    if (!this.#columns.has(name)) this.#attach(column);
  }

  remove(atomId: number): void {
    const column = this.#columnOf.get(atomId);
    if (column === undefined) return;
    column.values.remove(atomId);
    this.#columnOf.delete(atomId);
    if (column.values.size === 0) this.#detach(column);
  }

  /** The truth of one atom for an identity; false for an atom that is not here. */
  evaluate(atomId: number, identity: IdentityView): boolean {
    const column = this.#columnOf.get(atomId);
    return column?.values.isTrue(atomId, resolveProperty(column.property, identity)) ?? false;
  }

  /**
   * Reports, once each, the atoms whose truth differs between two states of one identity (undefined = it does not exist), looking
   * only at properties that the difference can bear on. A trait counts as changed when its texts differ; `changedKeys` are the keys of those, where the
   * caller knows them.
   */
  flips(
    before: IdentityView | undefined,
    after: IdentityView | undefined,
    report: ReportFlip,
    changedKeys: Iterable<string> = changedTraits(before?.traits ?? NO_TRAITS, after?.traits ?? NO_TRAITS),
  ): void {
    this.#pass += 1;
    const hasNewKey = before?.identifier !== after?.identifier || before?.key !== after?.key;
    if (hasNewKey) this.#flipColumns(this.#byIdentifier, before, after, report);
    let hasNewTraits = false;
    for (const key of changedKeys) {
      hasNewTraits = true;
      this.#flipColumns(this.#byTrait.get(key), before, after, report);
    }
    if (hasNewKey || hasNewTraits) this.#flipColumns(this.#byAnything, before, after, report);
  }

  #flipColumns(
    columns: ReadonlySet<Column> | undefined,
    before: IdentityView | undefined,
    after: IdentityView | undefined,
    report: ReportFlip,
  ): void {
    if (columns === undefined) return;
    for (const column of columns) {
      if (column.lastPass === this.#pass) continue;
      column.lastPass = this.#pass;
      const oldValue = before && resolveProperty(column.property, before);
      const newValue = after && resolveProperty(column.property, after);
      column.values.flips(oldValue, newValue, report);
    }
  }

  #attach(column: Column): void {
    const { traitKeys, identifier, any } = dependenciesOf(column.property);
    this.#columns.set(column.name, column);
    if (identifier) this.#byIdentifier.add(column);
    if (any) this.#byAnything.add(column);
    for (const key of traitKeys) {
      const columns = this.#byTrait.get(key);
      if (columns === undefined) this.#byTrait.set(key, new Set([column]));
      else columns.add(column);
    }
  }

  #detach(column: Column): void {
    this.#columns.delete(column.name);
    this.#byIdentifier.delete(column);
    this.#byAnything.delete(column);
    for (const key of dependenciesOf(column.property).traitKeys) {
      const columns = this.#byTrait.get(key);
      columns?.delete(column);
      if (columns?.size === 0) this.#byTrait.delete(key);
    }
  }
}

/** The atoms over one property. */
interface Column {
  readonly name: string;
  readonly property: Property;
  readonly values: ValueIndex;
  /** The last call of `flips` that looked at this column: it may depend on several of the traits that changed. */
  lastPass: number;
}

const NO_TRAITS: ReadonlyMap<string, string> = new Map();

function changedTraits(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const changed: string[] = [];
  let common = 0;
  for (const [key, text] of after) {
    const earlier = before.get(key);
    if (earlier !== undefined) common += 1;
    if (earlier !== text) changed.push(key);
  }
  if (common < before.size) for (const key of before.keys()) if (!after.has(key)) changed.push(key);
  return changed;
}
