import { contains } from './code-points.js';
import { decimalValue, SPACE } from './python-characters.js';

/** Python refuses to turn longer texts into an integer. */
const MAX_INT_DIGITS = 4300;

const DIGITS = '[0-9]+(?:_[0-9]+)*';
const INT = new RegExp(`^([+-]?)(${DIGITS})$`);
const FLOAT = new RegExp(`^[+-]?(?:${DIGITS}(?:\\.(?:${DIGITS})?)?|\\.${DIGITS})(?:[eE][+-]?${DIGITS})?$`);
const NOT_FINITE = /^([+-]?)(?:(inf|infinity)|nan)$/i;
const ASCII = /^[\0-\x7f]*$/;
const IS_SPACE = /^[ \t-\r]$/;

/** What Python's `int(text)` gives; undefined where it raises. */
export function readPythonInt(text: string): bigint | undefined {
  const match = INT.exec(plainNumeral(text));
  const digits = match?.[2]?.replaceAll('_', '');
  if (digits === undefined || digits.length > MAX_INT_DIGITS) return undefined;
  return match?.[1] === '-' ? -BigInt(digits) : BigInt(digits);
}

/** What Python's `float(text)` gives, infinities and NaN among it; undefined where it raises. */
export function readPythonFloat(text: string): number | undefined {
  const numeral = plainNumeral(text);
  if (FLOAT.test(numeral)) return Number(numeral.replaceAll('_', ''));
  const special = NOT_FINITE.exec(numeral);
  if (special === null) return undefined;
  if (special[2] === undefined) return NaN;
  return special[1] === '-' ? -Infinity : Infinity;
}

/** The text in ASCII digits, without the spaces around it; of control characters only tab to carriage return are spaces. */
function plainNumeral(text: string): string {
  const ascii = ASCII.test(text) ? text : Array.from(text, toAscii).join('');
  let start = 0;
  let end = ascii.length;
  while (start < end && IS_SPACE.test(ascii.charAt(start))) start += 1;
  while (end > start && IS_SPACE.test(ascii.charAt(end - 1))) end -= 1;
  return ascii.slice(start, end);
}

function toAscii(character: string): string {
  const codePoint = character.codePointAt(0) ?? 0;
  if (codePoint < 0x80) return character;
  if (contains(SPACE, codePoint)) return ' ';
  return String(decimalValue(codePoint) ?? '?');
}
