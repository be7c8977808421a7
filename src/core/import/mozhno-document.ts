import { RollcallError } from '../errors.js';
import type { Condition, Rule } from '../segments.js';
import { formatTrait, isList } from '../trait-text.js';
import type { TraitValue } from '../values.js';
import { type DocumentNode, expectObject, firstMemberOf, itemsOf, jsonOf, memberOf, textOf } from './document-node.js';
import {
  describeSegment,
  type ImportedSegment,
  MAX_OPERATOR_LENGTH,
  MAX_PROPERTY_LENGTH,
  readRules,
} from './imported-segment.js';
import { referenceOf } from './litestar-document.js';

/** A segment of Mozhno: rules, which it also calls constraints. */
export function readMozhnoSegment(node: DocumentNode): ImportedSegment {
  const described = describeSegment(expectObject(node), 'mozhno', ['key', 'name', 'id']);
  return { ...described, ...readRules(() => readMozhnoRules(firstMemberOf(node, 'constraints', 'rules'))) };
}

/** Rules, all of which a member meets; without any, everyone is one. */
export function readMozhnoRules(node: DocumentNode | undefined): Rule[] {
  const parts = itemsOf(node).map(ruleOf);
  const conditions = parts.flatMap((part) => ('operator' in part ? [part] : []));
  const rules = parts.flatMap((part) => ('operator' in part ? [] : [part]));
  return [{ type: 'ALL', conditions, rules }];
}

/** Without an operator it is `in`, without a type `string`. */
function ruleOf(node: DocumentNode): Condition | Rule {
  const property = textOf(memberOf(expectObject(node), 'field'), MAX_PROPERTY_LENGTH);
  const operator = textOf(memberOf(node, 'operator'), MAX_OPERATOR_LENGTH) || 'in';
  const values = valuesOf(firstMemberOf(node, 'values', 'value'));
  if (operator === 'in_segment') return { type: 'ANY', conditions: referencesOf(values, operator), rules: [] };
  if (operator === 'not_in_segment') return { type: 'NONE', conditions: referencesOf(values, 'in_segment'), rules: [] };
  if (property === '') throw new RollcallError('INVALID_SEGMENT', `the rule ${node.pointer} has no field`);
  const type = firstMemberOf(node, 'contextType', 'type');
  const list = values.map((value) => value.value);
  const operand: TraitValue = type === undefined ? list : { type: textOf(type, MAX_OPERATOR_LENGTH), values: list };
  jsonOf({ value: list, pointer: node.pointer });
  return { property, operator, value: formatTrait(operand) };
}

function valuesOf(node: DocumentNode | undefined): DocumentNode[] {
  if (node === undefined) return [];
  const { value } = node;
  return typeof value === 'object' && value !== null && isList(value) ? itemsOf(node) : [node];
}

function referencesOf(values: readonly DocumentNode[], operator: string): Condition[] {
  return (values.length === 0 ? [undefined] : values).map((value) => ({
    property: '',
    operator,
    value: referenceOf(value, operator),
  }));
}
