import { parse } from 'lossless-json';
import { RollcallError } from './errors.js';
import type { TraitValue } from './values.js';

/**
 * The JSON text of a value as a jsonb column gives it back: ", " and ": " between, an object's keys in jsonb's order. A float always
 * has a point and never an exponent, so that it comes back a float; an integer is whole at any size; -0.0 becomes 0.0.
 */
export function formatTrait(value: TraitValue): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') return formatFloat(value);
  return typeof value === 'object' && value !== null ? formatNested(value) : String(value);
}

function formatNested(value: readonly TraitValue[] | { readonly [key: string]: TraitValue }): string {
  if (isList(value)) return `[${value.map(formatTrait).join(', ')}]`;
  const entries = Object.entries(value).sort(([a], [b]) => compareKeys(a, b));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}: ${formatTrait(inner)}`).join(', ')}}`;
}

/** Whether a value is a list: `Array.isArray` does not narrow read-only arrays. */
export function isList(value: TraitValue): value is readonly TraitValue[] {
  return Array.isArray(value);
}

/** The order in which jsonb keeps an object's keys: shorter first (bytes of UTF-8), then by bytes. */
export function compareKeys(a: string, b: string): number {
  return Buffer.byteLength(a) - Buffer.byteLength(b) || Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function formatFloat(value: number): string {
  const shortest = String(value);
  if (PLAIN_FLOAT.test(shortest)) return shortest;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(shortest) ?? [];
  if (whole === '') throw new RollcallError('INVALID_TRAIT', 'a float must be finite');
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return `${sign}${digits.slice(0, point).padEnd(point, '0')}.${digits.slice(point) || '0'}`;
}

const PLAIN_FLOAT = /^-?\d+\.\d+$/;

/**
 * The value of a JSON text, exactly: `1` is a bigint, `1.0` and `1e3` are numbers. Of a repeated key the last counts. Throws
 * INVALID_TRAIT where the text is not JSON.
 */
export function parseTrait(text: string): TraitValue {
  switch (text.charCodeAt(0)) {
    case QUOTE:
      return parseString(text);
    case OPENING_BRACE:
    case OPENING_BRACKET:
      return parseJson(text);
    default:
      return parseWord(text);
  }
}

function parseString(text: string): TraitValue {
  return PLAIN_STRING.test(text) ? text.slice(1, -1) : parseJson(text);
}

const PLAIN_STRING = /^"[^"\\\u0000-\u001f]*"$/;

function parseWord(text: string): TraitValue {
  if (NUMBER.test(text)) return parseNumber(text);
  if (text === 'true') return true;
  if (text === 'false') return false;
  return text === 'null' ? null : parseJson(text);
}

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

function parseNumber(text: string): number | bigint {
  return INTEGER.test(text) ? BigInt(text.length < MAX_SAFE_DIGITS ? Number(text) : text) : Number(text);
}

const INTEGER = /^-?[0-9]+$/;
/** Texts shorter than this are whole as a JavaScript number, which reads faster. */
const MAX_SAFE_DIGITS = 16;

function parseJson(text: string): TraitValue {
  try {
    return asTrait(parse(text, null, { parseNumber, onDuplicateKey: ({ newValue }) => newValue }));
  } catch (cause) {
    // A RangeError where lists nest deeper than the stack.
    throw new RollcallError('INVALID_TRAIT', 'a trait is not JSON', { cause });
  }
}

/** Narrows what the parser built: it makes nothing but strings, numbers, bigints, booleans, null, lists and plain objects. */
function asTrait(value: unknown): TraitValue {
  if (isTrait(value)) return value;
  throw new TypeError('not a JSON value');
}

function isTrait(value: unknown): value is TraitValue {
  return value === null || ['string', 'number', 'bigint', 'boolean', 'object'].includes(typeof value);
}

/** The text of an object with these members, each already a JSON text, in the given order. */
export function joinTraits(traits: ReadonlyMap<string, string>): string {
  let text = '{';
  for (const [key, raw] of traits) text += `${text === '{' ? '' : ', '}${JSON.stringify(key)}: ${raw}`;
  return `${text}}`;
}

/**
 * The members of a JSON object, each value as its own text, unread, in order. The text must be what a jsonb column gives: valid JSON with
 * unique keys; white space may differ. Throws INVALID_TRAIT where it plainly is no object.
 */
export function splitTraits(text: string): Map<string, string> {
  const traits = new Map<string, string>();
  const endOfString = text.includes('\\') ? endOfEscapedString : endOfPlainString;
  let at = skipSpace(text, 0);
  if (text.charCodeAt(at) !== OPENING_BRACE) throw notAnObject();
  at = skipSpace(text, at + 1);
  while (text.charCodeAt(at) !== CLOSING_BRACE) {
    if (text.charCodeAt(at) !== QUOTE) throw notAnObject();
    const keyEnd = endOfString(text, at + 1);
    const start = skipSpace(text, skipSpace(text, keyEnd + 1) + 1);
    const end = endOfValue(text, start, endOfString);
    traits.set(readKey(text, at, keyEnd), text.slice(start, end));
    at = skipSpace(text, end);
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
  }
  return traits;
}

type EndOfString = (text: string, from: number) => number;

/** Where the string that begins at `from` ends: its closing quote. For texts without any backslash. */
function endOfPlainString(text: string, from: number): number {
  const end = text.indexOf('"', from);
  if (end < 0) throw notAnObject();
  return end;
}

function endOfEscapedString(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at++;
  }
  throw notAnObject();
}

function endOfValue(text: string, start: number, endOfString: EndOfString): number {
  switch (text.charCodeAt(start)) {
    case QUOTE:
      return endOfString(text, start + 1) + 1;
    case OPENING_BRACE:
    case OPENING_BRACKET:
      return endOfNested(text, start, endOfString);
    default:
      return endOfWord(text, start);
  }
}

function endOfNested(text: string, start: number, endOfString: EndOfString): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at + 1);
    else if (code === OPENING_BRACE || code === OPENING_BRACKET) depth++;
    else if ((code === CLOSING_BRACE || code === CLOSING_BRACKET) && --depth === 0) return at + 1;
  }
  throw notAnObject();
}

function endOfWord(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === COMMA || code === CLOSING_BRACE || code <= SPACE) return at;
  }
  throw notAnObject();
}

function readKey(text: string, start: number, end: number): string {
  const key = text.slice(start + 1, end);
  return key.includes('\\') ? String(JSON.parse(text.slice(start, end + 1))) : key;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) <= SPACE) at++;
  return at;
}

function notAnObject(): RollcallError {
  return new RollcallError('INVALID_TRAIT', 'traits are not a JSON object');
}

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
