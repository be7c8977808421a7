import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareText } from '../../../src/core/conditions/compare.js';
import { RollcallError } from '../../../src/core/errors.js';
import { compileMatcher } from '../../../src/core/conditions/matchers.js';
import { COMPARISONS, type Operator } from '../../../src/core/conditions/operators.js';
import type { ConditionValue } from '../../../src/core/values.js';

const test = (operator: Operator, operand: string, value: ConditionValue): boolean =>
  compileMatcher(operator, operand, { segmentKey: '42' })(value);

it.each<[Operator, string, ConditionValue, boolean]>([
  ['EQUAL', '1_0', 10n, true],
  ['EQUAL', '1.0', 1n, false],
  ['EQUAL', '9007199254740993', 9007199254740992n, false],
  ['EQUAL', '', true, true],
  ['EQUAL', 'false', false, true],
  ['EQUAL', 'nan', NaN, false],
  ['NOT_EQUAL', 'nan', 1.5, true],
  ['NOT_EQUAL', 'abc', 21n, false],
  ['NOT_EQUAL', 'x:semver', '1.0.0', false],
  ['NOT_EQUAL', '1.0.0:semver', 'x', false],
  ['EQUAL', '1.0.0+a:semver', '1.0.0+b', true],
  ['GREATER_THAN', 'False', true, true],
  ['GREATER_THAN', '9', '10a', false],
  ['GREATER_THAN', '\uff5e', '😀', true],
  ['LESS_THAN_INCLUSIVE', 'inf', 1e308, true],
  ['CONTAINS', '2', 'a123', true],
  ['CONTAINS', '2', 123n, false],
  ['CONTAINS', 'rc.1:semver', '1.0.0-rc.1+b', true],
  ['CONTAINS', 'b:semver', '1.0.0-rc.1+b', true],
  ['CONTAINS', '1:semver', '1.0.0-rc.1+b', false],
  ['CONTAINS', ':semver', '1.0.0', false],
  ['NOT_CONTAINS', '9', 5n, false],
  ['NOT_CONTAINS', 'rc.1:semver', '1.0.0-rc.1', true],
  ['REGEX', '1\\.0$', 1, true],
  ['REGEX', 'True', true, true],
  ['IN', '[1,2]', 1n, true],
  ['IN', '1.5', 1.5, false],
  ['IN', 'True', true, false],
  ['IS_SET', '', '', true],
  ['MODULO', '4|3', -1n, true],
  ['MODULO', '-2|-1', 1n, true],
  ['MODULO', 'inf|5', 5n, true],
  ['MODULO', '4|3', 34.2, false],
  ['MODULO', '2|1', true, true],
  ['MODULO', '2|1|', 1n, false],
  ['MODULO', '2', 1n, false],
  ['MODULO', '2|1', 10n ** 400n + 1n, false],
  ['PERCENTAGE_SPLIT', '100', 'x', true],
  ['PERCENTAGE_SPLIT', '50%', 'x', false],
  ['PERCENTAGE_SPLIT', 'nan', 'x', false],
])('%s %j holds for %o: %s', (operator, operand, value, expected) => {
  expect(test(operator, operand, value)).toBe(expected);
});

it.each(['0|0', '-0.0|1', '1e-400|1'])('refuses to divide by 0: %j', (operand) => {
  expect(() => compileMatcher('MODULO', operand, { segmentKey: '' })).toThrow(
    expect.objectContaining({ name: RollcallError.name, reason: 'INVALID_OPERAND' }),
  );
});

it('tests IN against a stored list in place of the operand', () => {
  const list = new Set(Array.from({ length: 1_000_000 }, (_, i) => `user-${i}`));
  const matcher = compileMatcher('IN', '', { segmentKey: '', list });
  expect([matcher('user-999999'), matcher('user-1000000'), matcher('')]).toEqual([true, false, false]);
});

it('places the same value apart in two segments', () => {
  const share = (segmentKey: string): string =>
    Array.from({ length: 64 }, (_, i) =>
      Number(compileMatcher('PERCENTAGE_SPLIT', '50', { segmentKey })(BigInt(i))),
    ).join('');
  expect(share('1')).not.toBe(share('2'));
});

it('orders texts by code point', () => {
  const codePoints = (text: string): number[] => Array.from(text, (character) => character.codePointAt(0) ?? 0);
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '\ue000', '\uffff', '😀', '\u{10ffff}') });
  fc.assert(
    fc.property(text, text, (a, b) => {
      const [left, right] = [codePoints(a), codePoints(b)];
      const at = left.findIndex((codePoint, i) => codePoint !== right[i]);
      const expected =
        at === -1 || at >= right.length ? left.length - right.length : (left[at] ?? 0) - (right[at] ?? 0);
      expect(Math.sign(compareText(a, b))).toBe(Math.sign(expected));
    }),
  );
});

it('holds for exactly one of less, equal and greater, and for the operators made of them', () => {
  const value = fc.oneof(fc.bigInt(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.string());
  fc.assert(
    fc.property(value, fc.oneof(fc.integer().map(String), fc.string()), (v, operand) => {
      const [equal, notEqual, greater, atLeast, less, atMost] = COMPARISONS.map((operator) =>
        test(operator, operand, v),
      );
      expect(atLeast).toBe(greater === true || equal === true);
      expect(atMost).toBe(less === true || equal === true);
      expect(notEqual).toBe(greater === true || less === true);
      expect([equal, greater, less].filter(Boolean).length).toBeLessThanOrEqual(1);
    }),
  );
});
