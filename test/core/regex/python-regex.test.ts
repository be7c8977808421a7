import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RollcallError } from '../../../src/core/errors.js';
import { compilePythonRegex } from '../../../src/core/regex/python-regex.js';

/** Pattern, text, and whether Python 3.11's `re.match` finds something. */
const ANSWERS: readonly (readonly [string, string, boolean])[] = [
  ['ar', 'bar', false],
  ['b', 'bar', true],
  ['bar$', 'bar\n', true],
  ['bar$', 'bar\n\n', false],
  ['bar$\n', 'bar\n', true],
  ['a$\nb', 'a\nb', false],
  ['(?m)a$\nb', 'a\nb', true],
  ['(?m)a\n^b', 'a\nb', true],
  ['bar\\Z', 'bar\n', false],
  ['.b', '\nb', false],
  ['(?s).b', '\nb', true],
  ['\\d+', '٣', true],
  ['(?a)\\d+', '٣', false],
  ['\\w', 'é', true],
  ['\\w', '²', true],
  ['\\s', '\u001c', true],
  ['\\s', '\u200b', false],
  ['\\bé', 'é', true],
  ['(?a)\\bé', 'é', false],
  ['a\\b', 'aé', false],
  ['a\\b\n$', 'a\n', true],
  ['\\B', '', false],
  ['\\b', '', false],
  ['x*\\B', 'xx', true],
  ['a{,2}b', 'aab', true],
  ['a{,2}b', 'aaab', false],
  ['a{}', 'a{}', true],
  ['a{x', 'a{x', true],
  ['a{1001}', 'a'.repeat(1001), true],
  ['a{1001}', 'a'.repeat(1000), false],
  ['(a{60}){50}', 'a'.repeat(3000), true],
  ['(a{60}){50}', 'a'.repeat(2999), false],
  ['a{0}b', 'b', true],
  ['(?i)straSSe', 'STRASSE', true],
  ['(?i)ß', 'ẞ', true],
  ['(?i)ẞ', 'ß', true],
  ['(?i)k', '\u212a', true],
  ['(?ai)k', '\u212a', false],
  ['(?i)s', 'ſ', true],
  ['(?i)i', 'İ', true],
  ['(?i)[h-j]', 'ı', true],
  ['(?i)[a1]', 'A', true],
  ['(?i)[A-C]', 'b', true],
  ['(?i)[^a1]', 'A', false],
  ['(?i)[aß]', 'ẞ', true],
  ['(?i)[^k]', '\u212a', false],
  ['(?i:a)B', 'AB', true],
  ['(?i:a)B', 'Ab', false],
  ['(?x) a b # c\n d', 'abd', true],
  ['a(?#b)c', 'ac', true],
  ['[]a]+]', ']a]', true],
  ['[^]]', ']', false],
  ['[a-]', '-', true],
  ['[\\d-]', '-', true],
  ['[\\b]', '\u0008', true],
  ['\\x41\\u0042\\U00000043\\104', 'ABCD', true],
  ['\\0', '\u0000', true],
  ['[\\12]', '\n', true],
  ['(?P<year>\\d{4})-(?P<month>\\d\\d)', '2024-05', true],
  ['(a|b)*?c', 'ababc', true],
  ['(?:^a|b)+c', 'abc', true],
  ['(a*)*b', 'aab', true],
  ['😀{2}', '😀😀', true],
  ['[😀-😂]', '😁', true],
  ['', '', true],
  ['|a', 'z', true],
  ['a.c', 'a😀c', true],
  ['50%', '50%', true],
];

/** Pattern, reason and position of the refusal. */
const REFUSALS: readonly (readonly [string, string, string])[] = [
  ['[', 'INVALID_OPERAND', '0'],
  ['a**', 'INVALID_OPERAND', '2'],
  ['*a', 'INVALID_OPERAND', '0'],
  ['^*', 'INVALID_OPERAND', '1'],
  ['a)', 'INVALID_OPERAND', '1'],
  ['(a', 'INVALID_OPERAND', '0'],
  ['ab\\', 'INVALID_OPERAND', '2'],
  ['\\q', 'INVALID_OPERAND', '0'],
  ['\\xg0', 'INVALID_OPERAND', '0'],
  ['a{2,1}', 'INVALID_OPERAND', '1'],
  ['[z-a]', 'INVALID_OPERAND', '1'],
  ['(?<x>b)', 'INVALID_OPERAND', '0'],
  ['a(?i)b', 'INVALID_OPERAND', '1'],
  ['(?u)(?a)b', 'INVALID_OPERAND', '4'],
  ['(?P<a>b)(?P<a>b)', 'INVALID_OPERAND', '8'],
  ['a\\1', 'INVALID_OPERAND', '1'],
  ['(a\\1)', 'INVALID_OPERAND', '2'],
  ['(a)\\1', 'UNSUPPORTED_PATTERN', '3'],
  ['(?P<a>b)(?P=a)', 'UNSUPPORTED_PATTERN', '8'],
  ['😀a(?=b)', 'UNSUPPORTED_PATTERN', '2'],
  ['a(?<!b)', 'UNSUPPORTED_PATTERN', '1'],
  ['(?>a)', 'UNSUPPORTED_PATTERN', '0'],
  ['ab*+', 'UNSUPPORTED_PATTERN', '2'],
  ['(a)(?(1)b|c)', 'UNSUPPORTED_PATTERN', '3'],
  ['\\N{DASH}', 'UNSUPPORTED_PATTERN', '0'],
  ['(?:a{100}){100}', 'UNSUPPORTED_PATTERN', '10'],
  ['a$(?m:^b)', 'UNSUPPORTED_PATTERN', '6'],
];

function refusalOf(pattern: string): readonly [string, string | undefined] {
  try {
    compilePythonRegex(pattern);
  } catch (error) {
    if (error instanceof RollcallError) return [error.reason, error.metadata['position']];
  }
  return ['none', undefined];
}

describe('a regular expression', () => {
  it.each(ANSWERS)('%j on %j answers %s, as in Python', (pattern, text, expected) => {
    expect(compilePythonRegex(pattern)(text)).toBe(expected);
  });

  it.each(REFUSALS)('%j is refused as %s at character %s', (pattern, reason, position) => {
    expect(refusalOf(pattern)).toEqual([reason, position]);
  });

  it('takes time in proportion to the text where backtracking would never end', () => {
    const matches = compilePythonRegex('(?:x+x+)+y');
    expect(matches('x'.repeat(100_000))).toBe(false);
  });

  it('of syntax that all engines share answers as JavaScript does', () => {
    const piece = fc.constantFrom(
      'a',
      'b',
      '.',
      '[ab]',
      '[^a]',
      '\\d',
      'a*',
      'b+?',
      '(a|b)',
      '(?:ab|a){1,2}',
      '1?',
      '|',
      '^',
    );
    const pattern = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
    const text = fc.array(fc.constantFrom('a', 'b', '1', '-'), { maxLength: 8 }).map((letters) => letters.join(''));
    fc.assert(
      fc.property(pattern, text, (source, value) => {
        expect(compilePythonRegex(source)(value)).toBe(new RegExp(`^(?:${source})`, 'u').test(value));
      }),
      { numRuns: 500 },
    );
  });

  it('sees a word edge wherever the characters on both sides differ', () => {
    const matches = compilePythonRegex('(?:.\\B)*.\\Z');
    const isWord = (character: string): boolean => /[\p{L}\p{N}_]/u.test(character);
    const characters = fc.array(fc.constantFrom('a', 'é', '中', '😀', '-', ' ', '٣'), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(characters, (text) => {
        expect(matches(text.join(''))).toBe(text.every((character) => isWord(character) === isWord(text[0] ?? '')));
      }),
    );
  });
});
