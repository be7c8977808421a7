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

/**
 * How to evaluate an atom from stored identities; the universe has no definition. Of atoms on one trait only that is read, as one column, and equal texts are tested
 * once; only atoms that look at more than one trait read every identity.
 */
export async function rangeEvaluator(
  sql: Sql,
  present: Environment,
  atom: { readonly id: number; readonly definition: AtomDefinition | undefined },
): Promise<RangeEvaluator> {
  const { definition } = atom;
  const environment = { ...present, ...definition?.settings };
  if (definition === undefined || atom.id === UNIVERSE_ATOM_ID)
    return async (tx, from, until) => {
      const set = new OrdinalSet();
      set.addOffsets(from, await readOrdinals(tx, environment.id, from, until));
      return set;
    };
  const list = definition.list === '' ? undefined : await readOperandList(sql, definition.list);
  const property = propertyOf(definition, environment);
  if (property.kind === 'trait' || property.kind === 'trait-json') {
    const matches = compileAtomMatcher(definition, list);
    return columnEvaluator(environment.id, property.key, traitTest(property.kind, matches));
  }
  const index = new AtomIndex(environment);
  index.add(atom.id, definition, list);
  const { traitKeys, any } = dependenciesOf(property);
  return (tx, from, until) =>
    evaluateEach(tx, environment, { index, atomId: atom.id, needsTraits: any || traitKeys.length > 0 }, from, until);
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
  atom: { readonly index: AtomIndex; readonly atomId: number; readonly needsTraits: boolean },
  from: number,
  until: number,
): Promise<OrdinalSet> {
  const set = new OrdinalSet();
  for await (const identities of scanIdentities(tx, environment.id, from, until, atom.needsTraits)) {
    for (const { id, identifier, keyOverride, traits } of identities) {
      const state = { identifier, keyOverride: keyOverride ?? undefined, traits: splitTraits(traits) };
      if (atom.index.evaluate(atom.atomId, viewOf(environment, id, state))) set.add(id);
    }
  }
  return set;
}
