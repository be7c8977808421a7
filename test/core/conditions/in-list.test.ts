import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readIn } from '../../../src/core/conditions/in-list.js';

it.each<[string, string[]]>([
  ['', ['']],
  ['foo, bar', ['foo', ' bar']],
  ['1,,1', ['1', '']],
  ['"bar"', ['"bar"']],
  ['[]', []],
  ['[ 1 , "1", -0, 1.50, 1e5 ]\n', ['1', '0', '1.5', '100000.0']],
  ['[12345678901234567890]', ['12345678901234567890']],
  ['[true, false, null, NaN, -Infinity]', ['True', 'False', 'None', 'nan', '-inf']],
  ['["a\\u00e9\\n,", "[1]"]', ['aé\n,', '[1]']],
  ['[[1, "a"], {"b": 1, "2": [], "b": 3.0}]', ["[1, 'a']", "{'b': 3.0, '2': []}"]],
  ['[1', ['[1']],
  ['[1,]', ['[1', ']']],
  ['[1] 2', ['[1] 2']],
  ['[01]', ['[01]']],
  ['[.5]', ['[.5]']],
  ["['a']", ["['a']"]],
  ['["a\n"]', ['["a\n"]']],
  [' [1,2]', [' [1', '2]']],
])('reads the operand %j', (operand, expected) => {
  expect([...readIn(operand)].sort()).toEqual([...expected].sort());
});

it('reads every list of texts as its texts', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), (texts) => {
      expect([...readIn(JSON.stringify(texts))]).toEqual([...new Set(texts)]);
    }),
  );
});

it('takes lists that are nested too deep for no JSON, instead of overflowing the stack', () => {
  const operand = '['.repeat(100_000);
  expect([...readIn(operand)]).toEqual([operand]);
});
