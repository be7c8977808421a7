import type { AtomDefinition } from '../../src/core/atoms.js';
import { readIn } from '../../src/core/conditions/in-list.js';
import { compileAtomMatcher } from '../../src/core/conditions/atom-matcher.js';
import { compileMatcher } from '../../src/core/conditions/matchers.js';
import { OPERATORS } from '../../src/core/conditions/operators.js';
import {
  type EnvironmentView,
  type IdentityView,
  parseProperty,
  propertyOf,
  resolveProperty,
} from '../../src/core/properties/properties.js';
import type { Condition, Rule, SegmentDefinition } from '../../src/core/segments.js';

/** What a naive evaluation needs: the environment, every segment's definition, and the values of stored lists by their SHA-256. */
export interface OracleContext {
  readonly environment: EnvironmentView;
  readonly definitions: ReadonlyMap<string, SegmentDefinition>;
  readonly lists?: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Whether an identity is in a segment, by walking its rules for this one identity: no atoms, no predicates, no bitmaps. */
export function isMember(key: string, identity: IdentityView, context: OracleContext): boolean {
  const definition = context.definitions.get(key);
  return definition !== undefined && isMemberOf(key, definition, identity, context);
}

function isMemberOf(
  key: string,
  definition: SegmentDefinition,
  identity: IdentityView,
  context: OracleContext,
): boolean {
  if (!definition.enabled || definition.rules.length === 0) return false;
  if (definition.parent !== '' && !isMember(definition.parent, identity, context)) return false;
  return definition.rules.every((rule) => isRuleTrue(key, rule, identity, context));
}

function isRuleTrue(key: string, rule: Rule, identity: IdentityView, context: OracleContext): boolean {
  const conditions = rule.conditions.map((condition) => isConditionTrue(key, condition, identity, context));
  const rules = rule.rules.map((inner) => isRuleTrue(key, inner, identity, context));
  return isGroupTrue(rule.type, conditions) && isGroupTrue(rule.type, rules);
}

function isGroupTrue(type: Rule['type'], truths: readonly boolean[]): boolean {
  if (truths.length === 0) return true;
  if (type === 'ALL') return !truths.includes(false);
  return truths.includes(true) === (type === 'ANY');
}

function isConditionTrue(key: string, condition: Condition, identity: IdentityView, context: OracleContext): boolean {
  if (condition.operator === 'in_segment') return isMember(condition.value, identity, context);
  if (condition.operator === 'not_in_segment') return !isMember(condition.value, identity, context);
  const operator = OPERATORS.find((known) => known === condition.operator);
  const value = resolveProperty(parseProperty(condition.property, context.environment, operator ?? 'IS_SET'), identity);
  if (condition.operator === 'IS_NOT_SET') return value === undefined;
  if (operator === undefined) throw new Error(`no such operator: ${condition.operator}`);
  if (value === undefined) return false;
  const list = condition.list === undefined ? undefined : context.lists?.get(condition.list.sha256);
  return compileMatcher(operator, condition.value, { segmentKey: key, list })(value);
}

/** Whether one atom is true of an identity. */
export function isAtomTrue(
  atom: AtomDefinition,
  identity: IdentityView,
  context: Pick<OracleContext, 'environment' | 'lists'>,
): boolean {
  const value = resolveProperty(propertyOf(atom, context.environment), identity);
  const list = atom.list === '' ? readIn(atom.operand) : context.lists?.get(atom.list);
  return value !== undefined && compileAtomMatcher(atom, list)(value);
}
