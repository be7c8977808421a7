import fc from 'fast-check';
import { expect, it } from 'vitest';
import { conditionValue, pythonText } from '../../../src/core/python/python-text.js';
import type { TraitValue } from '../../../src/core/values.js';

it.each<[TraitValue, string]>([
  [true, 'True'],
  [false, 'False'],
  [null, 'None'],
  ['True', 'True'],
  [-12345678901234567890n, '-12345678901234567890'],
  [1, '1.0'],
  [-0, '-0.0'],
  [1.5, '1.5'],
  [9999999999999998, '9999999999999998.0'],
  [1e16, '1e+16'],
  [1.5e300, '1.5e+300'],
  [0.0001, '0.0001'],
  [0.00001, '1e-05'],
  [5e-324, '5e-324'],
  [Infinity, 'inf'],
  [[], '[]'],
  [{}, '{}'],
  [{ a: [1n, true, null, 1e16] }, "{'a': [1, True, None, 1e+16]}"],
  [["it's", '"', `it's "`], `["it's", '"', 'it\\'s "']`],
  [['\\ \n\r\t\u0000\u007f\u00a0é\u200b😀\u{e0001}'], "['\\\\ \\n\\r\\t\\x00\\x7f\\xa0é\\u200b😀\\U000e0001']"],
])('gives %o the text that Python gives it', (value, expected) => {
  expect(pythonText(value)).toBe(expected);
});

it('gives a float the text that reads back as the same float', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) =>
      Object.is(Number(pythonText(value)), value),
    ),
  );
});

it.each<[TraitValue, unknown]>([
  ['007', 7n],
  ['-0', 0n],
  ['-12', -12n],
  ['12345678901234567890', 12345678901234567890n],
  ['1.0', 1],
  ['-0.50', -0.5],
  ['+1', '+1'],
  [' 1', ' 1'],
  ['1.', '1.'],
  ['.5', '.5'],
  ['1e3', '1e3'],
  ['1_0', '1_0'],
  ['1\n', '1\n'],
  ['٣', '٣'],
  ['-', '-'],
  ['', ''],
  [false, false],
  [1, 1],
  [1n, 1n],
  [['1'], "['1']"],
  [null, undefined],
])('shows %o to a condition as %o', (value, expected) => {
  expect(conditionValue(value)).toBe(expected);
});
