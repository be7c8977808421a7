import { isList } from '../../core/trait-text.js';
import type { TraitValue } from '../../core/values.js';

/** Rules within each other; Flagsmith's own pages make two levels. */
export const MAX_RULE_DEPTH = 50;

/** What an import reads of a name, of a type and of an operator, in characters. */
const MAX_PROPERTY_LENGTH = 2_000;
const MAX_TYPE_LENGTH = 100;
const MAX_OPERATOR_LENGTH = 255;

interface JsonObject {
  readonly [name: string]: TraitValue;
}

/**
 * Rules in the shape that an environment document has them. Where they are not of that shape, one rule instead whose type is none and says why: an import refuses a segment for an unknown
 * type, but the whole document for its shape. Unknown operators and types stay as they are.
 */
export function rulesOfDocument(value: TraitValue): TraitValue[] {
  const problems: string[] = [];
  const rules = readRules(value, 1, (problem) => problems.push(problem));
  const [problem] = problems;
  return problem === undefined ? rules : brokenRules(problem);
}

/** See `rulesOfDocument`. */
export function brokenRules(problem: string): TraitValue[] {
  return [{ type: clip(`(${problem})`, MAX_TYPE_LENGTH), conditions: [], rules: [] }];
}

/** The first characters of a text. */
export function clip(text: string, maxLength: number): string {
  return text.length <= maxLength ? text : [...text].slice(0, maxLength).join('');
}

type Report = (problem: string) => void;

function readRules(value: TraitValue | undefined, depth: number, report: Report): TraitValue[] {
  if (depth > MAX_RULE_DEPTH) {
    report(`rules are nested more than ${MAX_RULE_DEPTH} levels deep`);
    return [];
  }
  return readItems('rules', value, report).map((rule) => ({
    type: typeof rule['type'] === 'string' ? clip(rule['type'], MAX_TYPE_LENGTH) : '(a rule has no type)',
    conditions: readItems('conditions', rule['conditions'], report).map((item) => readCondition(item, report)),
    rules: readRules(rule['rules'], depth + 1, report),
  }));
}

function readCondition({ property = null, operator, value = null }: JsonObject, report: Report): TraitValue {
  if (typeof operator !== 'string') report('a condition has no operator');
  if (property !== null && typeof property !== 'string') report('the property of a condition is no text');
  if (typeof property === 'string' && clip(property, MAX_PROPERTY_LENGTH) !== property)
    report(`a property has more than ${MAX_PROPERTY_LENGTH} characters`);
  return { property, operator: typeof operator === 'string' ? clip(operator, MAX_OPERATOR_LENGTH) : '', value };
}

/** The objects of a list; none where there is no list. */
function readItems(name: string, value: TraitValue | undefined, report: Report): JsonObject[] {
  if (value === undefined || value === null) return [];
  if (typeof value !== 'object' || !isList(value)) {
    report(`${name} are no list`);
    return [];
  }
  const items = value.filter(isObject);
  if (items.length < value.length) report(`${name} hold what is no object`);
  return items;
}

function isObject(value: TraitValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !isList(value);
}
