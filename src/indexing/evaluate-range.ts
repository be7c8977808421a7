import { AtomIndex } from '../core/atom-index/atom-index.js';
import type { AtomDefinition } from '../core/atoms.js';
import { OrdinalSet } from '../core/bitmap.js';
import { UNIVERSE_ATOM_ID } from '../core/flips.js';
import { compileAtomMatcher } from '../core/conditions/atom-matcher.js';
import type { Matcher } from '../core/conditions/matchers.js';
import { dependenciesOf, propertyOf } from '../core/properties/properties.js';
import { readConditionValue } from '../core/properties/trait-value.js';
import { conditionValue } from '../core/python/python-text.js';
import { splitTraits } from '../core/trait-text.js';
import type { ConditionValue } from '../core/values.js';
import type { Sql } from '../storage/database.js';
import type { Environment } from '../storage/environments.js';
import { readOperandList } from '../storage/operand-lists.js';
import { readOrdinals, scanIdentities } from '../storage/scans.js';
import { columnEvaluator, type RangeEvaluator, type TraitTest } from './evaluate-column.js';
import { viewOf } from './writer-catalog.js';

/** An atom as evaluating it needs it; the universe has no definition. */
export interface EvaluatedAtom {
  readonly id: number;
  readonly definition: AtomDefinition | undefined;
}

/**
 * How to evaluate atoms from stored identities. Of those on one trait only that is read, as one column for all that are on it, and equal texts are tested once; only atoms that
 * look at more than one trait read every identity.
 */
export async function groupEvaluator(
  sql: Sql,
  environment: Environment,
  atoms: readonly EvaluatedAtom[],
): Promise<RangeEvaluator> {
  const columns = new Map<string, { readonly places: number[]; readonly tests: TraitTest[] }>();
  const parts: { readonly places: readonly number[]; readonly evaluate: RangeEvaluator }[] = [];
  for (const [place, atom] of atoms.entries()) {
    const way = await wayOf(sql, environment, atom);
    if (typeof way === 'function') parts.push({ places: [place], evaluate: way });
    else {
      const column = columns.get(way.key) ?? { places: [], tests: [] };
      column.places.push(place);
      column.tests.push(way.test);
      columns.set(way.key, column);
    }
  }
  for (const [key, { places, tests }] of columns)
    parts.push({ places, evaluate: columnEvaluator(environment.id, key, tests) });
  return async (tx, from, until) => {
    const sets = new Array<OrdinalSet>(atoms.length);
    for (const { places, evaluate } of parts) {
      const found = await evaluate(tx, from, until);
      for (const [at, place] of places.entries()) sets[place] = found[at] ?? new OrdinalSet();
    }
    return sets;
  };
}

/** By a column that it may share, or by itself. */
async function wayOf(
  sql: Sql,
  present: Environment,
  { id, definition }: EvaluatedAtom,
): Promise<{ readonly key: string; readonly test: TraitTest } | RangeEvaluator> {
  const environment = { ...present, ...definition?.settings };
  if (definition === undefined || id === UNIVERSE_ATOM_ID)
    return async (tx, from, until) => {
      const set = new OrdinalSet();
      set.addOffsets(from, await readOrdinals(tx, environment.id, from, until));
      return [set];
    };
  const list = definition.list === '' ? undefined : await readOperandList(sql, definition.list);
  const property = propertyOf(definition, environment);
  if (property.kind === 'trait' || property.kind === 'trait-json')
    return { key: property.key, test: traitTest(property.kind, compileAtomMatcher(definition, list)) };
  const index = new AtomIndex(environment);
  index.add(id, definition, list);
  const { traitKeys, any } = dependenciesOf(property);
  const atom = { index, atomId: id, traitKeys: any ? ('all' as const) : traitKeys };
  return async (tx, from, until) => [await evaluateEach(tx, environment, atom, from, until)];
}

function traitTest(kind: 'trait' | 'trait-json', matches: Matcher): TraitTest {
  const holds = (value: ConditionValue | undefined): boolean => value !== undefined && matches(value);
  return kind === 'trait'
    ? { ofJson: (text) => holds(readConditionValue(text)), ofString: (text) => holds(conditionValue(text)) }
    : { ofJson: (text) => text !== 'null' && matches(text), ofString: (text) => matches(JSON.stringify(text)) };
}

async function evaluateEach(
  tx: Sql,
  environment: Environment,
  atom: { readonly index: AtomIndex; readonly atomId: number; readonly traitKeys: readonly string[] | 'all' },
  from: number,
  until: number,
): Promise<OrdinalSet> {
  const set = new OrdinalSet();
  for await (const identities of scanIdentities(tx, environment.id, from, until, atom.traitKeys)) {
    for (const { id, identifier, keyOverride, traits } of identities) {
      const state = { identifier, keyOverride: keyOverride ?? undefined, traits: splitTraits(traits) };
      if (atom.index.evaluate(atom.atomId, viewOf(environment, id, state))) set.add(id);
    }
  }
  return set;
}
