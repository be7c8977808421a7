import { RollcallError } from '../errors.js';
import { pythonText } from '../python/python-text.js';
import type { Condition, Rule, RuleType } from '../segments.js';
import { isList } from '../trait-text.js';
import {
  type DocumentNode,
  expectObject,
  firstMemberOf,
  invalidDocument,
  itemsOf,
  jsonOf,
  memberOf,
  textOf,
} from './document-node.js';
import {
  describeSegment,
  type ImportedSegment,
  MAX_OPERATOR_LENGTH,
  MAX_PROPERTY_LENGTH,
  readRules,
} from './imported-segment.js';

/** A segment of Flagsmith; its id as text is its key, which PERCENTAGE_SPLIT hashes. */
export function readFlagsmithSegment(node: DocumentNode): ImportedSegment {
  const described = describeSegment(expectObject(node), 'flagsmith', ['id', 'key', 'name']);
  return { ...described, ...readRules(() => rulesOf(memberOf(node, 'rules'))) };
}

const RULE_TYPES: readonly RuleType[] = ['ALL', 'ANY', 'NONE'];

function rulesOf(node: DocumentNode | undefined): Rule[] {
  return itemsOf(node).map((rule) => ({
    type: ruleTypeOf(rule, memberOf(expectObject(rule), 'type')),
    conditions: itemsOf(memberOf(rule, 'conditions')).map(conditionOf),
    rules: rulesOf(memberOf(rule, 'rules')),
  }));
}

function ruleTypeOf({ pointer }: DocumentNode, node: DocumentNode | undefined): RuleType {
  const known = RULE_TYPES.find((type) => type === node?.value);
  if (known !== undefined) return known;
  const type = textOf(node, 100);
  throw new RollcallError('INVALID_SEGMENT', `the rule ${pointer} is of type ALL, ANY or NONE, not '${type}'`);
}

/** Environment documents call the property `property_`. */
function conditionOf(node: DocumentNode): Condition {
  const operator = memberOf(expectObject(node), 'operator');
  if (operator === undefined) throw invalidDocument(node.pointer, 'has no operator');
  return {
    property: textOf(firstMemberOf(node, 'property_', 'property'), MAX_PROPERTY_LENGTH),
    operator: textOf(operator, MAX_OPERATOR_LENGTH),
    value: operandOf(memberOf(node, 'value')),
  };
}

/** A list is JSON, as IN reads it; what else is no text is Python's text of it. */
function operandOf(node: DocumentNode | undefined): string {
  if (node === undefined) return '';
  const { value } = node;
  if (typeof value === 'string') return textOf(node, Infinity);
  const json = jsonOf(node);
  return typeof value === 'object' && value !== null && isList(value) ? json : pythonText(value);
}
