import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  complement,
  contains,
  decodeSet,
  difference,
  intersection,
  LAST_CODE_POINT,
  setOf,
  union,
} from '../../../src/core/python/code-points.js';

const range = fc.tuple(fc.nat(40), fc.nat(5)).map(([from, more]): [number, number] => [from, from + more]);
const ranges = fc.array(range, { maxLength: 8 });

it('sets of code points follow the laws of sets, point by point', () => {
  fc.assert(
    fc.property(ranges, ranges, (left, right) => {
      const [a, b] = [setOf(left), setOf(right)];
      for (const point of [...Array(50).keys(), LAST_CODE_POINT]) {
        const inA = left.some(([from, to]) => from <= point && point <= to);
        const inB = right.some(([from, to]) => from <= point && point <= to);
        expect(contains(a, point)).toBe(inA);
        expect(contains(complement(a), point)).toBe(!inA);
        expect(contains(union(a, b), point)).toBe(inA || inB);
        expect(contains(intersection(a, b), point)).toBe(inA && inB);
        expect(contains(difference(a, b), point)).toBe(inA && !inB);
      }
    }),
  );
});

it('adjacent ranges are one range, so that equal sets look equal', () => {
  expect(
    setOf([
      [4, 6],
      [1, 3],
    ]),
  ).toEqual([1, 6]);
});

it('a set is read from how many code points to skip and to take, in base 36', () => {
  expect(decodeSet('1c a 7 q')).toEqual([0x30, 0x39, 0x41, 0x5a]);
});
