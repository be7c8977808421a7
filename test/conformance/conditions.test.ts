import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RollcallError } from '../../src/core/errors.js';
import { compileMatcher } from '../../src/core/conditions/matchers.js';
import { OPERATORS } from '../../src/core/conditions/operators.js';
import { conditionValue } from '../../src/core/python/python-text.js';
import type { TraitValue } from '../../src/core/values.js';

interface ConditionCase {
  readonly operator: string;
  readonly missing: boolean;
  readonly type: string;
  /** The value's JSON text, where an integer keeps all its digits. */
  readonly value: string;
  /** A list operand of IN is its JSON text. */
  readonly operand: string;
  readonly expected: string;
}

const CASE =
  /^\{"operator": "(\w+)", "missing": (\w+), "type": "(\w+)", "value": (.*), "operand": (".*"|\[.*\]), "expected": "?(\w+)"?\},?$/;

/** The file was written from doubles, which cost this integer its last digits; its answers are for all of them. */
const WRITTEN_DIGITS = '12345678901234567000';
const MEANT_DIGITS = '12345678901234567890';

function readCases(): ConditionCase[] {
  const lines = readFileSync(new URL('conditions.json', import.meta.url), 'utf8').split('\n');
  return lines
    .filter((line) => line.startsWith('{"operator"'))
    .map((line) => {
      const [, operator = '', missing, type = '', value = '', operand = '""', expected = ''] = CASE.exec(line) ?? [];
      return {
        operator,
        missing: missing === 'true',
        type,
        value,
        operand: operand.startsWith('"') ? String(JSON.parse(operand)) : operand,
        expected,
      };
    });
}

function traitOf(condition: ConditionCase): TraitValue {
  switch (condition.type) {
    case 'str':
      return String(JSON.parse(condition.value));
    case 'int':
      return BigInt(condition.value === WRITTEN_DIGITS ? MEANT_DIGITS : condition.value);
    case 'float':
      return Number(condition.value);
    case 'bool':
      return condition.value === 'true';
    default:
      return null;
  }
}

/** IS_NOT_SET is no atom: it is what IS_SET is not. */
function answer(condition: ConditionCase): string {
  const isNegated = condition.operator === 'IS_NOT_SET';
  const operator = OPERATORS.find((known) => known === (isNegated ? 'IS_SET' : condition.operator));
  if (operator === undefined) throw new Error(`no such operator: ${condition.operator}`);
  try {
    const matcher = compileMatcher(operator, condition.operand, { segmentKey: '42' });
    const value = conditionValue(traitOf(condition));
    return String(value === undefined ? isNegated : matcher(value) !== isNegated);
  } catch (error) {
    if (error instanceof RollcallError) return 'error';
    throw error;
  }
}

/** Whether the engine raises for some value: such a condition is refused when written, whatever the value. */
function refusedOperands(cases: readonly ConditionCase[]): ReadonlySet<string> {
  return new Set(cases.filter((one) => one.expected === 'error').map((one) => `${one.operator} ${one.operand}`));
}

describe('the conditions of the reference engine', () => {
  const cases = readCases();
  const refused = refusedOperands(cases);

  it('are all read', () => {
    expect(cases).toHaveLength(4253);
    expect(cases.filter((one) => one.operator === '' || one.expected === '')).toEqual([]);
  });

  it.each(['IS_NOT_SET', ...OPERATORS])('have the same answers here for %s', (operator) => {
    const differing = cases
      .filter((one) => one.operator === operator)
      .map((one) => ({ ...one, expected: refused.has(`${one.operator} ${one.operand}`) ? 'error' : one.expected }))
      .map((one) => ({ ...one, actual: answer(one) }))
      .filter((one) => one.actual !== one.expected);
    expect(differing).toEqual([]);
  });
});
