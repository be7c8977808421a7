import { isPrintable } from './python-characters.js';
import type { ConditionValue, TraitValue } from '../values.js';

const INTEGER = /^-?[0-9]+$/;
const DECIMAL_FRACTION = /^-?[0-9]+\.[0-9]+$/;
const LOOKS_NUMERIC = /^[-0-9].*[0-9]$|^[0-9]$/s;
const NEEDS_NO_ESCAPE = /^[ !#-&(-[\]-~]*$/;

/** Python's `str(value)`: True, 1.5, 1e+16, {'a': [1, True]}, None. A string is its own text. */
export function pythonText(value: TraitValue): string {
  return typeof value === 'string' ? value : pythonRepr(value);
}

/** Python's `repr(value)`, which is how a value shows within a list or an object: like its text, strings quoted. */
export function pythonRepr(value: TraitValue): string {
  if (value === null) return 'None';
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return floatText(value);
  return isList(value) ? listText(value.map(pythonRepr)) : objectText(entriesOf(value));
}

/** Python's text of a list whose items have these representations. */
export function listText(items: readonly string[]): string {
  return `[${items.join(', ')}]`;
}

/** Python's text of an object whose keys (as they are) have values with these representations, in this order. */
export function objectText(entries: Iterable<readonly [string, string]>): string {
  return `{${Array.from(entries, ([key, value]) => `${quote(key)}: ${value}`).join(', ')}}`;
}

/** What a condition sees of a trait; undefined where it counts as missing. */
export function conditionValue(value: TraitValue): ConditionValue | undefined {
  if (value === null) return undefined;
  if (typeof value === 'string') return numberLike(value);
  return typeof value === 'object' ? pythonText(value) : value;
}

function numberLike(text: string): ConditionValue {
  if (!LOOKS_NUMERIC.test(text)) return text;
  if (INTEGER.test(text)) return text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text);
  return DECIMAL_FRACTION.test(text) ? Number(text) : text;
}

function isList(value: TraitValue): value is readonly TraitValue[] {
  return Array.isArray(value);
}

function entriesOf(value: Readonly<Record<string, TraitValue>>): (readonly [string, string])[] {
  return Object.entries(value).map(([key, item]) => [key, pythonRepr(item)]);
}

/** Both languages write the shortest digits that read back; they differ in where exponents begin and how they look. */
function floatText(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e16) return Number.isInteger(value) ? `${value}.0` : String(value);
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  if (Number.isNaN(value)) return 'nan';
  if (size === Infinity) return value < 0 ? '-inf' : 'inf';
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}

function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  if (NEEDS_NO_ESCAPE.test(text)) return `${mark}${text}${mark}`;
  return `${mark}${Array.from(text, (character) => escape(character, mark)).join('')}${mark}`;
}

const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

function escape(character: string, mark: string): string {
  if (character === mark) return `\\${mark}`;
  const short = SHORT_ESCAPES.get(character);
  if (short !== undefined) return short;
  const codePoint = character.codePointAt(0) ?? 0;
  if (isPrintable(codePoint)) return character;
  const hex = codePoint.toString(16);
  if (codePoint < 0x100) return `\\x${hex.padStart(2, '0')}`;
  return codePoint < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}
