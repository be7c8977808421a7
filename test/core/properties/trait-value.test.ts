import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readConditionValue } from '../../../src/core/properties/trait-value.js';
import { conditionValue } from '../../../src/core/python/python-text.js';
import { formatTrait, parseTrait } from '../../../src/core/trait-text.js';
import { runs } from '../../helpers/random-segments.js';
import { traitValues } from '../../helpers/trait-values.js';

const numerals = fc.stringMatching(/^-?[0-9]{0,17}\.?[0-9]{0,5}(?:[eE]-?[0-9])?$/);
const texts = fc.oneof(
  traitValues.map(formatTrait),
  numerals,
  numerals.map((numeral) => `"${numeral}"`),
  fc.string(),
  fc.json(),
);

function outcome(read: (text: string) => unknown, text: string): unknown {
  try {
    return read(text);
  } catch (error) {
    return error instanceof Error ? error.message : error;
  }
}

it('what a condition sees of a text is what it sees of the value of the text, for all that is and is not JSON', () => {
  const property = fc.property(texts, (text) => {
    expect(outcome(readConditionValue, text)).toStrictEqual(
      outcome((whole) => conditionValue(parseTrait(whole)), text),
    );
  });
  fc.assert(property, {
    numRuns: runs(3_000),
    examples: [
      ['0'],
      ['00'],
      ['0.'],
      ['0.5'],
      ['-0'],
      ['-'],
      ['.'],
      [''],
      ['"'],
      ['""'],
      ['"-"'],
      ['"1"'],
      ['"1.5"'],
      ['"1.5.0"'],
      ['999999999999999'],
      ['9007199254740993'],
      ['12345678901234567'],
    ].map(([text = '']): [string] => [text]),
  });
});
