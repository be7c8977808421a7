import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { type LitestarOperator, LITESTAR_OPERATORS } from '../../../src/core/conditions/litestar/operators.js';
import { LITESTAR_TESTS } from '../../../src/core/conditions/litestar/tests.js';
import { formatTrait, parseTrait } from '../../../src/core/trait-text.js';
import type { TypedValue } from '../../../src/core/conditions/typed-value.js';
import type { TraitValue } from '../../../src/core/values.js';

/** Value and operand as JSON. */
type Case = readonly [value: string, operand: string, expected: boolean];

function holds(operator: LitestarOperator, value: string, operand: string): boolean {
  return LITESTAR_TESTS[operator](parseTrait(operand))(parseTrait(value) ?? '');
}

const CASES: Readonly<Record<LitestarOperator, readonly Case[]>> = {
  eq: [
    ['"US"', '"US"', true],
    ['"US"', '"us"', false],
    ['5', '"5"', false],
    ['"5"', '5', false],
    ['1', '1.0', true],
    ['true', '1', true],
    ['true', '"true"', false],
    ['""', '""', true],
    ['9007199254740993', '9007199254740992.0', false],
    ['100000000000000000000000', '100000000000000000000000', true],
    ['["a", 1]', '["a", 1.0]', true],
    ['["a"]', '["a", "b"]', false],
    ['{"a": 1}', '{"a": 1}', true],
    ['{"a": 1}', '{"b": 1}', false],
  ],
  gt: [
    ['21', '20.5', true],
    ['21', '21', false],
    ['"b"', '"a"', true],
    ['"10"', '9', false],
    ['10', '"9"', false],
    ['9007199254740993', '9007199254740992.0', true],
    ['"\u{1F600}"', '"\uFF5E"', true],
    ['[2]', '[1, 5]', true],
    ['5', 'null', false],
  ],
  gte: [
    ['21', '21.0', true],
    ['20', '21', false],
    ['"a"', '1', false],
  ],
  lt: [
    ['-1', '0', true],
    ['0', '-0.0', false],
    ['"B"', '"a"', true],
    ['{}', '{}', false],
  ],
  lte: [
    ['21', '21', true],
    ['22', '21', false],
    ['[1]', '[1, 0]', true],
  ],
  in: [
    ['"US"', '["US", "CA"]', true],
    ['"us"', '["US", "CA"]', false],
    ['1', '["1"]', false],
    ['1', '[1.0]', true],
    ['"S"', '"US"', true],
    ['5', '"5"', false],
    ['"a"', '[]', false],
    ['""', '""', false],
    ['"a"', '{"a": 1}', true],
  ],
  not_in: [
    ['"b"', '"US"', true],
    ['"S"', '"US"', false],
    ['5', '"US"', false],
    ['true', '"True"', false],
    ['"b"', '{"a": 1}', true],
    ['5', '{"a": 1}', true],
    ['["a"]', '{"a": 1}', false],
    ['"b"', '5', false],
    ['"b"', '[]', true],
    ['5', '0', true],
    ['5', '["5"]', true],
  ],
  contains: [
    ['"hello"', '"ell"', true],
    ['["beta", "pro"]', '"pro"', true],
    ['["beta", "pro"]', '"pr"', false],
    ['[1, 2]', '2.0', true],
    ['{"level": 1}', '"level"', true],
    ['123', '"2"', false],
    ['"123"', '2', false],
    ['""', '""', false],
  ],
  not_contains: [
    ['"hello"', '"x"', true],
    ['"hello"', '"ell"', false],
    ['["beta", 5]', '"pro"', true],
    ['["beta", 5]', '5.0', false],
    ['{"level": 1}', '"x"', true],
    ['{"level": 1}', '["level"]', false],
    ['123', '"9"', false],
    ['true', '"x"', false],
    ['"123"', '9', false],
    ['""', '9', true],
    ['0', '"9"', true],
    ['false', 'null', true],
    ['[]', '{}', true],
  ],
  starts_with: [
    ['"hello"', '"he"', true],
    ['"hello"', '"lo"', false],
    ['123', '"12"', true],
    ['"123"', '12', true],
    ['true', '"Tr"', true],
    ['""', '""', false],
    ['0', '"0"', false],
  ],
  ends_with: [
    ['"a@b.com"', '"b.com"', true],
    ['"a@b.com"', '"a@"', false],
    ['1.5', '".5"', true],
  ],
  matches: [
    ['"hello world"', '"hello"', true],
    ['"hello world"', '"world"', false],
    ['"hello world"', '".*world"', true],
    ['1.0', '"1\\\\.0$"', true],
    ['""', '""', false],
  ],
  semver_eq: [
    ['"1.2"', '"1.2.0"', true],
    ['"1.2.3"', '"1.2.4"', false],
    ['"1.2.3-beta"', '"1.2.3-beta"', false],
    ['"v1.2"', '"1.2"', false],
    ['"1..2"', '"1.0.2"', false],
    ['1.5', '"1.5"', true],
    ['"01.2"', '"1.2"', true],
    ['""', '"0"', false],
  ],
  semver_gt: [
    ['"1.10.0"', '"1.9"', true],
    ['"1.9"', '"1.10.0"', false],
    ['"2"', '"1.99.99"', true],
    ['"1.0"', '"1"', false],
    ['"2.0"', '"one"', false],
  ],
  semver_lt: [
    ['"1.9"', '"1.10.0"', true],
    ['"1.0.0"', '"1"', false],
    ['"0.9.9.9"', '"1"', true],
  ],
  date_after: [
    ['"2024-01-02"', '"2024-01-01"', true],
    ['"2024-01-01"', '"2024-01-01T00:00:00Z"', false],
    ['"2024-01-01T01:00:00+02:00"', '"2023-12-31T22:59:59Z"', true],
    ['1704067201', '"2024-01-01"', true],
    ['1704067200', '"2024-01-01"', false],
    ['"2024-01-01T00:00:00.000001"', '1704067200', true],
    ['"1704067201"', '"2024-01-01"', false],
    ['"yesterday"', '"2024-01-01"', false],
    ['"2024-01-02"', '"soon"', false],
    ['253402300800', '"2024-01-01"', false],
  ],
  date_before: [
    ['"2023-12-31T23:59:59.999999"', '"2024-01-01"', true],
    ['"2024-01-01"', '"2024-01-01"', false],
    ['-1', '"1970-01-01"', true],
    ['1704067199.5', '"2024-01-01"', true],
  ],
  time_window: [
    ['"2024-05-01T09:00:00"', '{"start": "09:00", "end": "17:00"}', true],
    ['"2024-05-01T17:00:00"', '{"start": "09:00", "end": "17:00"}', true],
    ['"2024-05-01T17:00:00.000001"', '{"start": "09:00", "end": "17:00"}', false],
    ['"2024-05-01T23:30:00"', '{"start": "22:00", "end": "06:00"}', true],
    ['"2024-05-01T06:00:00"', '{"start": "22:00", "end": "06:00"}', true],
    ['"2024-05-01T12:00:00"', '{"start": "22:00", "end": "06:00"}', false],
    ['"2024-05-01T23:30:00+05:00"', '{"start": "22:00", "end": "06:00"}', true],
    ['1704067200', '{"start": "00:00:00", "end": "00:00:00"}', true],
    ['"2024-05-01"', '{"start": "2024-05-01", "end": "2024-05-02T00:00:00Z"}', true],
    ['"2024-05-03"', '{"start": "2024-05-01", "end": "2024-05-02"}', false],
    ['"2024-05-01T10:00:00"', '{"start": "25:00", "end": "17:00"}', false],
    ['"2024-05-01T10:00:00"', '{"start": "09:00"}', false],
    ['"2024-05-01T10:00:00"', '{"start": "09:00", "end": 17}', false],
    ['"2024-05-01T10:00:00"', '"09:00-17:00"', false],
    ['"10:00"', '{"start": "09:00", "end": "17:00"}', false],
  ],
};

describe.each(LITESTAR_OPERATORS.map((operator) => [operator, CASES[operator]] as const))('%s', (operator, cases) => {
  it.each(cases)('of %s and %s is %s', (value, operand, expected) => {
    expect(holds(operator, value, operand)).toBe(expected);
  });
});

test('a pattern that is none, or needs more than linear time, is refused', () => {
  expect(() => LITESTAR_TESTS.matches('(')).toThrow(expect.objectContaining({ reason: 'INVALID_OPERAND' }) as Error);
  expect(() => LITESTAR_TESTS.matches('(?=a)')).toThrow(
    expect.objectContaining({ reason: 'UNSUPPORTED_PATTERN' }) as Error,
  );
  expect(() => LITESTAR_TESTS.matches(5n)).toThrow(expect.objectContaining({ reason: 'INVALID_OPERAND' }) as Error);
});

const scalars: fc.Arbitrary<TypedValue> = fc.oneof(
  fc.constantFrom<TypedValue>(
    '',
    'a',
    'ab',
    'b',
    '1',
    '1.0',
    'True',
    true,
    false,
    0n,
    1n,
    2n,
    -1n,
    0,
    1,
    1.5,
    -1.5,
    2 ** 53,
  ),
  fc.bigInt({ min: 2n ** 53n - 2n, max: 2n ** 53n + 2n }),
  fc.string({ unit: 'grapheme', maxLength: 3 }),
);
const values = fc.oneof(
  { arbitrary: scalars, weight: 4 },
  { arbitrary: fc.array(scalars, { maxLength: 3 }), weight: 1 },
);

/** Numbers as exact fractions over 2^60, so that the language's own comparison of them has no part. */
function exact(value: TraitValue): bigint | undefined {
  if (typeof value === 'boolean') return (value ? 1n : 0n) << 60n;
  if (typeof value === 'bigint') return value << 60n;
  return typeof value === 'number' ? BigInt(value * 2 ** 20) << 40n : undefined;
}

function naiveOrder(a: TraitValue, b: TraitValue): number | undefined {
  const [x, y] = [exact(a), exact(b)];
  if (x !== undefined && y !== undefined) return x < y ? -1 : x > y ? 1 : 0;
  if (typeof a !== 'string' || typeof b !== 'string') return undefined;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

test('scalars are ordered within their kind and never across, and exactly one of lt, eq, gt holds within', () => {
  fc.assert(
    fc.property(scalars, scalars, (value, operand) => {
      const order = naiveOrder(value, operand);
      const truths = (['lt', 'eq', 'gt', 'lte', 'gte'] as const).map((name) => LITESTAR_TESTS[name](operand)(value));
      const expected =
        order === undefined
          ? Array<boolean>(5).fill(false)
          : [order < 0, order === 0, order > 0, order <= 0, order >= 0];
      expect(truths).toEqual(expected);
    }),
    { numRuns: 2_000 },
  );
});

test('in is eq of one of the items, contains of a list likewise', () => {
  fc.assert(
    fc.property(values, fc.array(values, { maxLength: 4 }), (value, items) => {
      const isOne = items.some((item) => LITESTAR_TESTS.eq(item)(value));
      expect(LITESTAR_TESTS.in(items)(value)).toBe(isOne);
      expect(LITESTAR_TESTS.contains(value)(items)).toBe(isOne);
    }),
    { numRuns: 2_000 },
  );
});

test('what a value was written as has no part in it', () => {
  fc.assert(
    fc.property(values, values, fc.constantFrom(...LITESTAR_OPERATORS), (value, operand, operator) => {
      fc.pre(operator !== 'matches');
      const again = parseTrait(formatTrait(value)) ?? '';
      expect(LITESTAR_TESTS[operator](operand)(again)).toBe(LITESTAR_TESTS[operator](operand)(value));
    }),
  );
});
