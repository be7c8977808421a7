import { AtomIndex } from '../core/atom-index/atom-index.js';
import type { AtomDefinition } from '../core/atoms.js';
import { OrdinalSet } from '../core/bitmap.js';
import { UNIVERSE_ATOM_ID } from '../core/flips.js';
import { compileMatcher } from '../core/conditions/matchers.js';
import { dependenciesOf, propertyOf } from '../core/properties/properties.js';
import { conditionValue } from '../core/python/python-text.js';
import { parseTrait, splitTraits } from '../core/trait-text.js';
import type { Sql } from '../storage/database.js';
import type { Environment } from '../storage/environments.js';
import { readOperandList } from '../storage/operand-lists.js';
import { groupAll, groupByTrait, scanIdentities, type ValueGroup } from '../storage/scans.js';
import { viewOf } from './writer-catalog.js';

/** Evaluates one atom over the live identities in [from, until) as the connection's snapshot sees them. */
export type RangeEvaluator = (sql: Sql, from: number, until: number) => Promise<OrdinalSet>;

/**
 * How to evaluate an atom from stored identities; the universe has no definition. Identities with equal values of one trait are grouped by Postgres and tested once;
 * only atoms that look at more than one trait read every identity.
 */
export async function rangeEvaluator(
  sql: Sql,
  environment: Environment,
  atom: { readonly id: number; readonly definition: AtomDefinition | undefined },
): Promise<RangeEvaluator> {
  const { definition } = atom;
  if (definition === undefined || atom.id === UNIVERSE_ATOM_ID)
    return async (tx, from, until) => collect(await groupAll(tx, environment.id, from, until), from, () => true);
  const list = definition.list === '' ? undefined : await readOperandList(sql, definition.list);
  const property = propertyOf(definition, environment);
  if (property.kind === 'trait') {
    const matches = compileMatcher(definition.operator, definition.operand, {
      segmentKey: definition.segmentKey,
      list,
    });
    const isTrue = (text: string): boolean => {
      const value = conditionValue(parseTrait(text));
      return value !== undefined && matches(value);
    };
    return async (tx, from, until) =>
      collect(await groupByTrait(tx, environment.id, property.key, from, until), from, isTrue);
  }
  const index = new AtomIndex(environment);
  index.add(atom.id, definition, list);
  const { traitKeys, any } = dependenciesOf(property);
  return (tx, from, until) =>
    evaluateEach(tx, environment, { index, atomId: atom.id, needsTraits: any || traitKeys.length > 0 }, from, until);
}

function collect(groups: readonly ValueGroup[], from: number, isTrue: (text: string) => boolean): OrdinalSet {
  const set = new OrdinalSet();
  for (const { value, offsets } of groups) if (isTrue(value)) set.addOffsets(from, offsets);
  return set;
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
    for (const { id, identifier, traits } of identities) {
      if (atom.index.evaluate(atom.atomId, viewOf(environment, id, identifier, splitTraits(traits)))) set.add(id);
    }
  }
  return set;
}
