import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { formatMozhnoOperand, readMozhnoOperand } from '../../../src/core/conditions/mozhno/operand.js';
import { type MozhnoOperator, MOZHNO_OPERATORS, MOZHNO_TYPES } from '../../../src/core/conditions/mozhno/operators.js';
import { MOZHNO_TESTS } from '../../../src/core/conditions/mozhno/tests.js';
import { parseTrait } from '../../../src/core/trait-text.js';

type Case = readonly [value: string, operand: string, expected: boolean];

function holds(operator: MozhnoOperator, value: string, operand: string): boolean {
  return MOZHNO_TESTS[operator](readMozhnoOperand(parseTrait(operand)))(parseTrait(value) ?? '');
}

const of = (type: string, ...values: string[]): string => JSON.stringify({ type, values });

const CASES: Readonly<Record<MozhnoOperator, readonly Case[]>> = {
  in: [
    ['"gold"', '["gold", "silver"]', true],
    ['"free"', '["gold", "silver"]', false],
    ['18', '["18"]', true],
    ['"18"', '[18]', true],
    ['true', '["true"]', true],
    ['"gold"', '[]', false],
    ['"18.0"', of('number', '18'), false],
  ],
  eq: [
    ['"premium"', '["premium"]', true],
    ['"30"', of('number', '30.0'), true],
    ['30', of('number', '30'), true],
    ['9007199254740993', of('number', '9007199254740992'), false],
    ['"abc"', of('number', 'abc'), false],
    ['"30.0"', '["30"]', false],
    ['"1.0"', of('semver', '1.0.0'), false],
    ['"b"', '["a", "b"]', true],
    ['"b"', '[]', false],
  ],
  ne: [
    ['"basic"', '["premium"]', true],
    ['"premium"', '["premium"]', false],
    ['"premium"', '["premium", "free"]', true],
    ['"31"', of('number', '30'), true],
    ['"30"', of('number', '30.0'), false],
    ['"abc"', of('number', '30'), false],
    ['"premium"', '[]', false],
  ],
  gt: [
    ['"9"', '["18"]', true],
    ['"9"', of('number', '18'), false],
    ['100', '[18]', true],
    ['"abc"', of('number', '18'), false],
    ['19', of('number', 'x', '18'), true],
    ['"2.0.0"', of('semver', '1.10'), true],
    ['"1.9"', of('semver', '1.10.0'), false],
    ['"v1.11"', of('semver', '1.10'), true],
    ['"abc"', of('semver', '0'), false],
    ['"2025-01-01T00:00:00Z"', of('time', '2024-12-31T23:00:00-02:00'), false],
    ['"2025-01-01"', of('time', '2024-01-01T00:00:00Z'), true],
    ['1735689601', of('time', '2025-01-01T00:00:00Z'), true],
    ['"soon"', of('time', '2024-01-01'), false],
  ],
  gte: [
    ['18', of('number', '18'), true],
    ['"1.5.0"', of('semver', '1.5'), true],
    ['"2024-01-01T02:00:00+02:00"', of('time', '2024-01-01'), true],
  ],
  lt: [
    ['17', of('number', '18'), true],
    ['true', of('number', '18'), false],
    ['"a"', '["b"]', true],
    ['"\uFF5E"', '["\u{1F600}"]', true],
    ['" 17 "', of('number', '18'), true],
    ['""', of('number', '18'), false],
  ],
  lte: [
    ['1.5', of('number', '1.50'), true],
    ['"1e1"', of('number', '9', '10'), true],
    ['"1.5.1"', of('semver', '1.5'), false],
  ],
  contains: [
    ['"a@gmail.com"', '["@gmail.com"]', true],
    ['"a@yahoo.com"', '["@gmail.com", "@yahoo"]', true],
    ['"a@yahoo.com"', '["@gmail.com"]', false],
    ['1234', '["23"]', true],
  ],
};

describe.each(MOZHNO_OPERATORS.map((operator) => [operator, CASES[operator]] as const))('%s', (operator, cases) => {
  it.each(cases)('of %s and %s is %s', (value, operand, expected) => {
    expect(holds(operator, value, operand)).toBe(expected);
  });
});

test('an operand of no known form or type is refused', () => {
  for (const operand of ['{"type": "color", "values": ["red"]}', '{"type": "string"}', '{}'])
    expect(() => readMozhnoOperand(parseTrait(operand))).toThrow(
      expect.objectContaining({ reason: 'INVALID_OPERAND' }) as Error,
    );
});

test('operands that mean the same have one text', () => {
  const texts = ['["b", "a", "a"]', '{"values": ["a", "b"], "type": "string"}', '{"values": ["a", "b"], "type": null}'];
  expect(new Set(texts.map((text) => formatMozhnoOperand(readMozhnoOperand(parseTrait(text))))).size).toBe(1);
  expect(formatMozhnoOperand(readMozhnoOperand('a'))).toBe(formatMozhnoOperand(readMozhnoOperand(['a'])));
});

test('a rule holds where one of its values does, whatever the type', () => {
  const texts = fc.constantFrom(
    '',
    '1',
    '1.0',
    '10',
    '9',
    'abc',
    '1.10',
    'v2',
    '2024-01-01',
    '2024-01-01T00:00:00Z',
    '-1',
    'é',
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...MOZHNO_OPERATORS),
      fc.constantFrom(...MOZHNO_TYPES),
      texts,
      fc.array(texts, { maxLength: 4 }),
      (operator, type, value, operands) => {
        const one = (operand: string): boolean => MOZHNO_TESTS[operator]({ type, values: [operand] })(value);
        expect(MOZHNO_TESTS[operator]({ type, values: operands })(value)).toBe(operands.map(one).includes(true));
      },
    ),
    { numRuns: 2_000 },
  );
});
