import { OrdinalSet } from './bitmap.js';
import type { Predicate } from './predicates.js';

/** The bitmaps at one revision that a predicate is composed from. `atom` throws where there is none. */
export interface Bitmaps {
  readonly universe: OrdinalSet;
  atom(atomKey: string): OrdinalSet;
}

/**
 * The set of the identities for which `predicate` is true. The result may be one of `bitmaps` itself: it must not be
 * changed, nor outlive a change of them, without being cloned. Every complement is taken against the universe (I4).
 */
export function compose(predicate: Predicate, bitmaps: Bitmaps): OrdinalSet {
  const done = new Map<string, OrdinalSet>();
  const visit = (node: Predicate): OrdinalSet => {
    const known = done.get(node.key);
    if (known !== undefined) return known;
    const set = composeNode(node, bitmaps, visit);
    done.set(node.key, set);
    return set;
  };
  return visit(predicate);
}

function composeNode(node: Predicate, bitmaps: Bitmaps, visit: (node: Predicate) => OrdinalSet): OrdinalSet {
  switch (node.kind) {
    case 'everyone':
      return bitmaps.universe;
    case 'nobody':
      return new OrdinalSet();
    case 'atom':
      return bitmaps.atom(node.key);
    case 'not':
      return bitmaps.universe.andNot(visit(node.operand));
    case 'or':
      return node.operands.map(visit).reduce((a, b) => a.or(b));
    case 'and':
      return intersect(node.operands, bitmaps, visit);
  }
}

/** Starts with the smallest set and takes negated operands away from it, without making their complements. */
function intersect(
  operands: readonly Predicate[],
  bitmaps: Bitmaps,
  visit: (node: Predicate) => OrdinalSet,
): OrdinalSet {
  const kept: OrdinalSet[] = [];
  const removed: OrdinalSet[] = [];
  for (const operand of operands) {
    if (operand.kind === 'not') removed.push(visit(operand.operand));
    else kept.push(visit(operand));
  }
  kept.sort((a, b) => a.size - b.size);
  let result = kept[0] ?? bitmaps.universe;
  for (const set of kept.slice(1)) result = result.and(set);
  for (const set of removed) result = result.andNot(set);
  return result;
}
