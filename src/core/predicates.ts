import { createHash } from 'node:crypto';
import type { AtomDefinition } from './atoms.js';
import { atomKey } from './atoms.js';

/**
 * What a segment compiles to. Made only by the functions below, which simplify, so that equal predicates mostly have
 * equal keys. Nodes may be shared: a predicate is a graph without cycles.
 */
export type Predicate =
  | { readonly kind: 'everyone'; readonly key: string }
  | { readonly kind: 'nobody'; readonly key: string }
  | { readonly kind: 'atom'; readonly key: string; readonly atom: AtomDefinition }
  | { readonly kind: 'not'; readonly key: string; readonly operand: Predicate }
  | { readonly kind: 'and' | 'or'; readonly key: string; readonly operands: readonly Predicate[] };

export const EVERYONE: Predicate = { kind: 'everyone', key: 'everyone' };
export const NOBODY: Predicate = { kind: 'nobody', key: 'nobody' };

export function atom(definition: AtomDefinition): Predicate {
  return { kind: 'atom', key: atomKey(definition), atom: definition };
}

export function not(operand: Predicate): Predicate {
  switch (operand.kind) {
    case 'everyone':
      return NOBODY;
    case 'nobody':
      return EVERYONE;
    case 'not':
      return operand.operand;
    case 'atom':
    case 'and':
    case 'or':
      return { kind: 'not', key: keyOf('not', [operand.key]), operand };
  }
}

export function and(operands: readonly Predicate[]): Predicate {
  return combine('and', operands, EVERYONE, NOBODY);
}

export function or(operands: readonly Predicate[]): Predicate {
  return combine('or', operands, NOBODY, EVERYONE);
}

/** Flattens, drops repeats and the neutral constant, and recognises the absorbing one and an operand beside its negation. */
function combine(
  kind: 'and' | 'or',
  operands: readonly Predicate[],
  neutral: Predicate,
  absorbing: Predicate,
): Predicate {
  const byKey = new Map<string, Predicate>();
  for (const operand of operands) {
    if (operand.kind === absorbing.kind) return absorbing;
    if (operand.kind === neutral.kind) continue;
    if (operand.kind === kind) for (const inner of operand.operands) byKey.set(inner.key, inner);
    else byKey.set(operand.key, operand);
  }
  for (const operand of byKey.values()) if (operand.kind === 'not' && byKey.has(operand.operand.key)) return absorbing;
  const distinct = [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  const [first] = distinct;
  if (first === undefined) return neutral;
  if (distinct.length === 1) return first;
  return {
    kind,
    key: keyOf(
      kind,
      distinct.map(({ key }) => key),
    ),
    operands: distinct,
  };
}

function keyOf(kind: string, keys: readonly string[]): string {
  return createHash('sha256')
    .update(`${kind}(${keys.join(',')})`)
    .digest('hex');
}

/** The distinct atoms of a predicate, by key. */
export function atomsOf(predicate: Predicate): ReadonlyMap<string, AtomDefinition> {
  const atoms = new Map<string, AtomDefinition>();
  const seen = new Set<string>();
  const visit = (node: Predicate): void => {
    if (seen.has(node.key)) return;
    seen.add(node.key);
    if (node.kind === 'atom') atoms.set(node.key, node.atom);
    else if (node.kind === 'not') visit(node.operand);
    else if (node.kind === 'and' || node.kind === 'or') node.operands.forEach(visit);
  };
  visit(predicate);
  return atoms;
}

/** The nodes of a predicate written out as a tree, which is what testing one identity may visit; infinite where it is beyond counting. */
export function sizeOf(predicate: Predicate): number {
  const sizes = new Map<string, number>();
  const visit = (node: Predicate): number => {
    const known = sizes.get(node.key);
    if (known !== undefined) return known;
    const operands =
      node.kind === 'not' ? [node.operand] : node.kind === 'and' || node.kind === 'or' ? node.operands : [];
    const size = operands.reduce((sum, operand) => sum + visit(operand), 1);
    sizes.set(node.key, size);
    return size;
  };
  return visit(predicate);
}

/** Whether the predicate is true of one live identity, given the truth of its atoms; asks only for as many as it needs. */
export function holds(predicate: Predicate, isTrue: (atomKey: string, atom: AtomDefinition) => boolean): boolean {
  switch (predicate.kind) {
    case 'everyone':
      return true;
    case 'nobody':
      return false;
    case 'atom':
      return isTrue(predicate.key, predicate.atom);
    case 'not':
      return !holds(predicate.operand, isTrue);
    case 'and':
      return predicate.operands.every((operand) => holds(operand, isTrue));
    case 'or':
      return predicate.operands.some((operand) => holds(operand, isTrue));
  }
}
