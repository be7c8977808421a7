import { conditionValue } from '../python/python-text.js';
import { parseTrait } from '../trait-text.js';
import type { ConditionValue } from '../values.js';

/**
 * What a condition sees of a trait's JSON text; undefined where it counts as missing. The common forms are read in one go, every other by way of its value.
 * Throws INVALID_TRAIT where the text is not JSON.
 */
export function readConditionValue(text: string): ConditionValue | undefined {
  const first = text.charCodeAt(0);
  if (first === QUOTE) {
    if (PLAIN_STRING.test(text) && !(isNumeral(text.charCodeAt(1)) && NUMBER_LIKE.test(text))) return text.slice(1, -1);
  } else if (text.length <= MAX_SHORT && isNumeral(first)) {
    const number = readShortNumber(text);
    if (number !== undefined) return number;
  }
  return conditionValue(parseTrait(text));
}

const PLAIN_STRING = /^"[^"\\\u0000-\u001f]*"$/;
/** A string that becomes a number. */
const NUMBER_LIKE = /^"-?[0-9]+(?:\.[0-9]+)?"$/;
/** So many digits are exact as a number, of which a bigint is made faster than of a text. */
const MAX_SHORT = 15;

/** The value of digits without a leading zero, with or without a fraction; undefined for any other text. */
function readShortNumber(text: string): ConditionValue | undefined {
  const { length } = text;
  if (length > 1 && text.charCodeAt(0) === ZERO && text.charCodeAt(1) !== POINT) return undefined;
  let value = 0;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (code < ZERO || code > NINE) return code === POINT && SHORT_FRACTION.test(text) ? Number(text) : undefined;
    value = value * 10 + code - ZERO;
  }
  return BigInt(value);
}

const SHORT_FRACTION = /^[0-9]+\.[0-9]+$/;

/** Whether a number may begin with the character. */
function isNumeral(code: number): boolean {
  return (code >= ZERO && code <= NINE) || code === MINUS;
}

const QUOTE = 0x22;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
