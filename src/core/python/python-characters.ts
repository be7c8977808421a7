import { contains, decodeSet, startOfRange } from './code-points.js';
import { DECIMAL_RANGES, PRINTABLE_RANGES, SPACE_RANGES, WORD_RANGES } from './unicode-14.js';

/** Characters of `\w`: letters, digits and numbers of every script, and the underscore. */
export const WORD = decodeSet(WORD_RANGES);

/** Characters of `\d`: the decimal digits of every script. */
export const DECIMAL = decodeSet(DECIMAL_RANGES);

/** Characters of `\s`, and what `int()` and `float()` ignore around a text that is not ASCII. */
export const SPACE = decodeSet(SPACE_RANGES);

const PRINTABLE = decodeSet(PRINTABLE_RANGES);

/** Whether Python's `repr()` shows the character as it is. */
export function isPrintable(codePoint: number): boolean {
  return contains(PRINTABLE, codePoint);
}

/** The value 0 to 9 of a decimal digit of any script; undefined for any other character. */
export function decimalValue(codePoint: number): number | undefined {
  const start = startOfRange(DECIMAL, codePoint);
  return start === undefined ? undefined : (codePoint - start) % 10;
}
