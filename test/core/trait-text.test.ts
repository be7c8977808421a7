import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatTrait, joinTraits, parseTrait, splitTraits } from '../../src/core/trait-text.js';
import { traitValues } from '../helpers/trait-values.js';

describe('a trait as text', () => {
  test.each([
    [1n, '1'],
    [123456789012345678901234567890n, '123456789012345678901234567890'],
    [1, '1.0'],
    [-1.5, '-1.5'],
    [-0, '0.0'],
    [1e16, '10000000000000000.0'],
    [1.25e21, '1250000000000000000000.0'],
    [1e-7, '0.0000001'],
    [-1.5e-7, '-0.00000015'],
    [5e-324, `0.${'0'.repeat(323)}5`],
    [true, 'true'],
    [null, 'null'],
    ['a"b\\c\n\u001f\u2028é', '"a\\"b\\\\c\\n\\u001f\u2028é"'],
    [[1n, [2.5], {}], '[1, [2.5], {}]'],
    [{ bb: 1n, c: 'x', é: [], a: null }, '{"a": null, "c": "x", "bb": 1, "é": []}'],
  ])('of %s is %s', (value, text) => {
    expect(formatTrait(value)).toBe(text);
  });

  test('reads back as the same value, a float as a float', () => {
    fc.assert(
      fc.property(traitValues, (value) => {
        expect(parseTrait(formatTrait(value))).toStrictEqual(value);
      }),
    );
  });

  test('is JSON', () => {
    fc.assert(
      fc.property(traitValues, (value) => {
        expect(() => void JSON.parse(formatTrait(value))).not.toThrow();
      }),
    );
  });

  test.each([
    ['1e3', 1000],
    ['-0.0', -0],
    ['1E-2', 0.01],
    ['0', 0n],
    ['"\\u0041"', 'A'],
    ['"\\\\"', '\\'],
    ['{"a": 1, "a": 2}', { a: 2n }],
  ])('that is %s is read as %s', (text, value) => {
    expect(parseTrait(text)).toStrictEqual(value);
  });

  test('keeps a key named __proto__', () => {
    const value = parseTrait('{"__proto__": 1}');
    expect(formatTrait(value)).toBe('{"__proto__": 1}');
  });

  test.each([
    '',
    ' ',
    '01',
    '1.',
    '.5',
    '+1',
    'NaN',
    'Infinity',
    'tru',
    '"a',
    '"a"b"',
    '"\n"',
    '[1',
    '{"a":}',
    '1 2',
    '['.repeat(100_000),
  ])('that is no JSON is refused (%#)', (text) => {
    expect(() => parseTrait(text)).toThrow(expect.objectContaining({ reason: 'INVALID_TRAIT' }));
  });
});

const traits = fc.dictionary(fc.string({ unit: 'binary' }), traitValues);

describe('splitting an object of traits', () => {
  test('gives each value as its own text, in order', () => {
    const text = '{"a": 1.0, "b": "x, } \\" y", "": [1, {"c": "]}"}], "\\"q\\u00e9": {"d": {}}, "e": null, "f": -7}';
    expect([...splitTraits(text)]).toEqual([
      ['a', '1.0'],
      ['b', '"x, } \\" y"'],
      ['', '[1, {"c": "]}"}]'],
      ['"qé', '{"d": {}}'],
      ['e', 'null'],
      ['f', '-7'],
    ]);
  });

  test.each(['{}', '{ }', ' {} '])('gives nothing for %j', (text) => {
    expect(splitTraits(text).size).toBe(0);
  });

  test('undoes joining', () => {
    fc.assert(
      fc.property(traits, (object) => {
        const texts = new Map(Object.entries(object).map(([key, value]) => [key, formatTrait(value)]));
        expect(splitTraits(joinTraits(texts))).toEqual(texts);
      }),
    );
  });

  test('agrees with parsing the whole, whatever the white space', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
        fc.constantFrom(0, 1, '\t'),
        (object, space) => {
          const text = JSON.stringify(object, null, space);
          const texts = [...splitTraits(text)].map(([key, value]) => `${JSON.stringify(key)}:${value}`);
          expect(JSON.parse(`{${texts.join(',')}}`)).toEqual(JSON.parse(text));
        },
      ),
    );
  });

  test.each(['', 'null', '[]', '{', '{"a', '{"a": ', '{"a": 1', '{"a": "x', '{"a": [1}', '{1: 2}'])(
    'refuses %j',
    (text) => {
      expect(() => splitTraits(text)).toThrow(expect.objectContaining({ reason: 'INVALID_TRAIT' }));
    },
  );
});
