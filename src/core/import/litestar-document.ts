import { RollcallError } from '../errors.js';
import { type Condition, isReference, type Rule } from '../segments.js';
import { type DocumentNode, expectObject, itemsOf, jsonOf, memberOf, textOf } from './document-node.js';
import {
  describeSegment,
  type ImportedSegment,
  MAX_OPERATOR_LENGTH,
  MAX_PROPERTY_LENGTH,
  readRules,
} from './imported-segment.js';

/** A segment of litestar-flags; its name, which is unique there, is its key. */
export function readLitestarSegment(node: DocumentNode): ImportedSegment {
  const described = describeSegment(expectObject(node), 'litestar', ['key', 'name', 'id']);
  return { ...described, ...readRules(() => readLitestarConditions(memberOf(node, 'conditions'))) };
}

/** Conditions, all of which a member meets; without any, everyone is one. */
export function readLitestarConditions(node: DocumentNode | undefined): Rule[] {
  return [{ type: 'ALL', conditions: itemsOf(node).map(conditionOf), rules: [] }];
}

/** Without an operator it is `eq`, without a value null. */
function conditionOf(node: DocumentNode): Condition {
  const property = textOf(memberOf(expectObject(node), 'attribute'), MAX_PROPERTY_LENGTH);
  const operator = textOf(memberOf(node, 'operator'), MAX_OPERATOR_LENGTH) || 'eq';
  const value = memberOf(node, 'value');
  if (isReference(operator)) return { property, operator, value: referenceOf(value, operator) };
  if (property === '') throw new RollcallError('INVALID_SEGMENT', `the condition ${node.pointer} has no attribute`);
  return { property, operator, value: value === undefined ? 'null' : jsonOf(value) };
}

/** The segment that a condition names. */
export function referenceOf(node: DocumentNode | undefined, operator: string): string {
  if (node !== undefined) return textOf(node, MAX_PROPERTY_LENGTH);
  throw new RollcallError('INVALID_SEGMENT', `${operator} needs the name of a segment`);
}
