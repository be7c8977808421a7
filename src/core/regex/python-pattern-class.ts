import { type CodePointSet, complement, LAST_CODE_POINT, setOf, union } from '../python/code-points.js';
import { type ClassItem, classIgnoringCase, ignoringCase } from '../python/python-case.js';
import { DECIMAL, SPACE, WORD } from '../python/python-characters.js';
import {
  accept,
  invalid,
  type PatternFlags,
  type PatternReader,
  take,
  takeWhile,
  unsupported,
} from './python-pattern-reader.js';

const ASCII_WORD = setOf([
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]);
const ASCII_SETS: ReadonlyMap<string, CodePointSet> = new Map([
  ...withComplement('d', setOf([[0x30, 0x39]])),
  ...withComplement(
    's',
    setOf([
      [0x09, 0x0d],
      [0x20, 0x20],
    ]),
  ),
  ...withComplement('w', ASCII_WORD),
]);
const UNICODE_SETS: ReadonlyMap<string, CodePointSet> = new Map([
  ...withComplement('d', DECIMAL),
  ...withComplement('s', SPACE),
  ...withComplement('w', WORD),
]);

const CONTROLS: ReadonlyMap<string, number> = new Map([
  ['a', 0x07],
  ['f', 0x0c],
  ['n', 0x0a],
  ['r', 0x0d],
  ['t', 0x09],
  ['v', 0x0b],
]);
const HEX_LENGTHS: ReadonlyMap<string, number> = new Map([
  ['x', 2],
  ['u', 4],
  ['U', 8],
]);
const HEX_DIGIT = /^[0-9A-Fa-f]$/;
const OCTAL_DIGIT = /^[0-7]$/;
const MAX_OCTAL = 0o377;

/** The characters that `\w` and `\b` take for parts of a word. */
export function wordSet(isAscii: boolean): CodePointSet {
  return isAscii ? ASCII_WORD : WORD;
}

/** The characters of `\d \s \w` or their complements `\D \S \W`; undefined for any other letter. */
export function categorySet(letter: string, flags: PatternFlags): CodePointSet | undefined {
  return (flags.ascii ? ASCII_SETS : UNICODE_SETS).get(letter);
}

function withComplement(letter: string, set: CodePointSet): readonly (readonly [string, CodePointSet])[] {
  return [
    [letter, set],
    [letter.toUpperCase(), complement(set)],
  ];
}

/** What one character matches. */
export function characterSet(codePoint: number, flags: PatternFlags): CodePointSet {
  return flags.ignoreCase ? ignoringCase(codePoint, flags.ascii) : setOf([[codePoint, codePoint]]);
}

/**
 * The code point of an escape that means the same within a class and without, its first token just taken: controls,
 * `\x \u \U`, punctuation. Other letters are refused, as are digits, which the caller reads first.
 */
export function readCharacterEscape(reader: PatternReader, token: string): number {
  const at = reader.at - 1;
  const letter = token.slice(1);
  const control = CONTROLS.get(letter);
  if (control !== undefined) return control;
  const length = HEX_LENGTHS.get(letter);
  if (length !== undefined) return readHex(reader, length, at);
  if (letter === 'N') unsupported(reader, 'characters by name (\\N) are not supported', at);
  if (/^[A-Za-z0-9]$/.test(letter)) invalid(reader, `bad escape ${token}`, at);
  return letter.codePointAt(0) ?? 0;
}

function readHex(reader: PatternReader, length: number, at: number): number {
  const digits = takeWhile(reader, HEX_DIGIT, length);
  const codePoint = Number.parseInt(digits, 16);
  if (digits.length !== length || codePoint > LAST_CODE_POINT)
    invalid(reader, 'incomplete or too large hexadecimal escape', at);
  return codePoint;
}

/** The code point of an octal escape whose first digit has been taken; at most two more follow. */
export function readOctal(reader: PatternReader, first: string, at: number): number {
  const codePoint = Number.parseInt(first + takeWhile(reader, OCTAL_DIGIT, 2), 8);
  if (codePoint > MAX_OCTAL) invalid(reader, 'octal escape outside of 0 to 0o377', at);
  return codePoint;
}

/** One end of a range, or a whole category. */
type ClassMember = number | CodePointSet;

/** What the class whose `[` has just been taken matches, taken to its `]`. */
export function readClass(reader: PatternReader): CodePointSet {
  const open = reader.at - 1;
  const isNegated = accept(reader, '^');
  const items: ClassItem[] = [];
  const categories = new Set<CodePointSet>();
  const add = (member: ClassMember): void => {
    if (typeof member === 'number') items.push({ from: member, to: member, isRange: false });
    else categories.add(member);
  };
  let token = takeMember(reader, open);
  while (token !== ']' || items.length + categories.size === 0) {
    const at = reader.at - 1;
    const member = readMember(reader, token);
    if (!accept(reader, '-')) {
      add(member);
    } else if (accept(reader, ']')) {
      add(member);
      add(0x2d);
      break;
    } else {
      items.push(readRange(reader, member, at, open));
    }
    token = takeMember(reader, open);
  }
  const set = classSet(items, union(...categories), reader.flags);
  return isNegated ? complement(set) : set;
}

function takeMember(reader: PatternReader, open: number): string {
  return take(reader) ?? invalid(reader, 'the character class does not end', open);
}

function readRange(reader: PatternReader, from: ClassMember, at: number, open: number): ClassItem {
  const to = readMember(reader, takeMember(reader, open));
  if (typeof from !== 'number' || typeof to !== 'number' || to < from)
    return invalid(reader, 'bad character range', at);
  return { from, to, isRange: true };
}

function readMember(reader: PatternReader, token: string): ClassMember {
  if (token.length === 1 || !token.startsWith('\\')) return token.codePointAt(0) ?? 0;
  const letter = token.slice(1);
  if (letter === 'b') return 0x08;
  if (OCTAL_DIGIT.test(letter)) return readOctal(reader, letter, reader.at - 1);
  return categorySet(letter, reader.flags) ?? readCharacterEscape(reader, token);
}

function classSet(items: readonly ClassItem[], categories: CodePointSet, flags: PatternFlags): CodePointSet {
  if (!flags.ignoreCase) return union(setOf(items.map(({ from, to }) => [from, to])), categories);
  const [first] = items;
  const isOneCharacter = categories.length === 0 && items.every((item) => !item.isRange && item.from === first?.from);
  if (isOneCharacter && first !== undefined) return ignoringCase(first.from, flags.ascii);
  return classIgnoringCase(items, categories, flags.ascii);
}
