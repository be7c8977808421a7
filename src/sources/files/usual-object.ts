import { DEFAULT_TRAIT_LIMITS } from '../../core/check-trait.js';

/**
 * Where the JSON object ends that begins at `from`, if it is what programs usually write: at least one member, of a text without escapes, a number that is its own shortest form, or a
 * boolean; names and values not too large for traits; no space but blanks. Else -1. The text is over or something else follows.
 */
export function endOfUsualObject(text: string, from: number): number {
  for (let at = from; ;) {
    const name = skipSpace(text, at + 1);
    const nameEnd = endOfText(text, name, MAX_FAST_NAME);
    if (nameEnd < 0 || isReserved(text, name, nameEnd)) return -1;
    const colon = skipSpace(text, nameEnd);
    if (text.charCodeAt(colon) !== COLON) return -1;
    const end = endOfScalar(text, skipSpace(text, colon + 1));
    if (end < 0) return -1;
    at = skipSpace(text, end);
    const code = text.charCodeAt(at);
    if (code === CLOSING_BRACE) return at + 1;
    if (code !== COMMA) return -1;
  }
}

function endOfScalar(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === QUOTE) return endOfText(text, at, MAX_FAST_CHARACTERS);
  if (code === LETTER_T) return text.startsWith('true', at) ? at + 4 : -1;
  if (code === LETTER_F) return text.startsWith('false', at) ? at + 5 : -1;
  return endOfUsualNumber(text, at);
}

/** After the closing quote of a text of at most so many characters that begins at `from` and needs no escapes; else -1. */
function endOfText(text: string, from: number, most: number): number {
  if (text.charCodeAt(from) !== QUOTE) return -1;
  for (let at = from + 1; ; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at - from - 1 <= most ? at + 1 : -1;
    // Past the end of the text it is not a number.
    if (code === BACKSLASH || !(code >= SPACE)) return -1;
  }
}

/** An integer, or a float that ends in a digit other than 0 or in ".0", of few digits; no zero with a sign. Else -1. */
function endOfUsualNumber(text: string, from: number): number {
  const whole = text.charCodeAt(from) === MINUS ? from + 1 : from;
  let at = endOfDigits(text, whole);
  let isZero = text.charCodeAt(whole) === ZERO;
  if (at === whole || (isZero && at > whole + 1)) return -1;
  if (text.charCodeAt(at) === POINT) {
    const fraction = at + 1;
    at = endOfDigits(text, fraction);
    const endsInZero = text.charCodeAt(at - 1) === ZERO;
    if (at === fraction || (endsInZero && at > fraction + 1)) return -1;
    isZero &&= endsInZero;
  }
  if (at - from > MAX_FAST_DIGITS) return -1;
  return isZero && whole > from ? -1 : at;
}

/** Whether the text is the very one that the number is kept as: an integer, or a float of so few digits that it is its own shortest form. */
export function isUsualNumber(text: string): boolean {
  return endOfUsualNumber(text, 0) === text.length;
}

function endOfDigits(text: string, from: number): number {
  let at = from;
  for (let code = text.charCodeAt(at); code >= ZERO && code <= NINE; code = text.charCodeAt(at)) at++;
  return at;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) === SPACE) at++;
  return at;
}

/** Building an object would take it for something else. */
function isReserved(text: string, from: number, end: number): boolean {
  return end - from === RESERVED.length && text.startsWith(RESERVED, from);
}

const RESERVED = '"__proto__"';

/** Of no more characters than this no name is too long, whatever they are. */
export const MAX_FAST_NAME = Math.floor(DEFAULT_TRAIT_LIMITS.maxKeyBytes / 3);
/** Of no more characters than this no text is too large for a trait, whatever they are. */
export const MAX_FAST_CHARACTERS = Math.floor(DEFAULT_TRAIT_LIMITS.maxValueBytes / 3) - 2;
/** Of no more digits than this a float is its own shortest form. */
const MAX_FAST_DIGITS = 15;

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const LETTER_F = 0x66;
const LETTER_T = 0x74;
const CLOSING_BRACE = 0x7d;
