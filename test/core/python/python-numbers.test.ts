import { expect, it } from 'vitest';
import { readPythonFloat, readPythonInt } from '../../../src/core/python/python-numbers.js';

it.each<[string, bigint | undefined]>([
  ['1', 1n],
  [' +1\n', 1n],
  ['-007', -7n],
  ['1_000', 1000n],
  ['12345678901234567890123', 12345678901234567890123n],
  ['١٢', 12n],
  ['\u2003５\u00a0', 5n],
  ['9'.repeat(4300), BigInt('9'.repeat(4300))],
  ['9'.repeat(4301), undefined],
  ['1__0', undefined],
  ['_1', undefined],
  ['1_', undefined],
  ['21.0', undefined],
  ['1e3', undefined],
  ['0x10', undefined],
  ['- 1', undefined],
  ['²', undefined],
  ['\u001c5', undefined],
  ['', undefined],
])('reads %j as an integer the way int() does', (text, expected) => {
  expect(readPythonInt(text)).toBe(expected);
});

it.each<[string, number | undefined]>([
  ['1', 1],
  [' 1.5 ', 1.5],
  ['1.', 1],
  ['.5', 0.5],
  ['1e3', 1000],
  ['-1_0.0_1E+0_2', -1001],
  ['1e400', Infinity],
  ['-inf', -Infinity],
  ['+Infinity', Infinity],
  ['NaN', NaN],
  ['٣.٥', 3.5],
  ['1_.5', undefined],
  ['1._5', undefined],
  ['.', undefined],
  ['1e', undefined],
  ['in_f', undefined],
  ['0x1p3', undefined],
  ['50%', undefined],
  ['', undefined],
])('reads %j as a float the way float() does', (text, expected) => {
  expect(readPythonFloat(text)).toBe(expected);
});

it('reads long texts that are no numbers in linear time', () => {
  const digits = '1'.repeat(65_536);
  expect(readPythonFloat(`${digits}x`)).toBeUndefined();
  expect(readPythonFloat(`${' '.repeat(65_536)}x`)).toBeUndefined();
});
