import { readPythonInt } from './python-numbers.js';
import { listText, objectText, pythonRepr } from './python-text.js';

/** Deeper lists are taken for no JSON; Python itself gives up (with an error) at about a thousand. */
const MAX_DEPTH = 900;

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const SPACES = /[ \t\n\r]*/y;

/** Words of Python's JSON, with their Python texts. */
const CONSTANTS: readonly (readonly [string, string])[] = [
  ['null', 'None'],
  ['true', 'True'],
  ['false', 'False'],
  ['NaN', 'nan'],
  ['Infinity', 'inf'],
  ['-Infinity', '-inf'],
];

/** Where the reading of one text stands. */
interface Cursor {
  readonly text: string;
  at: number;
}

/** Why a text is no JSON is nobody's question: it is only thrown and caught here. */
class NotJson extends Error {}

/**
 * The Python texts (`str()`) of a JSON list's items, as Python's `json` reads them: integers of any size, floats apart
 * from integers, NaN and Infinity allowed, object keys in their order. undefined where the text is no JSON.
 */
export function readJsonListTexts(text: string): readonly string[] | undefined {
  const cursor: Cursor = { text, at: 0 };
  try {
    expect(cursor, '[');
    const items = readItems(cursor, () => readText(cursor));
    return cursor.at === text.length ? items : undefined;
  } catch (error) {
    if (error instanceof NotJson) return undefined;
    throw error;
  }
}

function readText(cursor: Cursor): string {
  return cursor.text[cursor.at] === '"' ? readString(cursor) : readRepr(cursor, 1);
}

/** Reads one value and gives its representation, which keeps what a JavaScript object would lose: the order of keys. */
function readRepr(cursor: Cursor, depth: number): string {
  if (depth > MAX_DEPTH) throw new NotJson();
  switch (cursor.text[cursor.at]) {
    case '"':
      return pythonRepr(readString(cursor));
    case '[':
      cursor.at += 1;
      return listText(readItems(cursor, () => readRepr(cursor, depth + 1)));
    case '{':
      return objectText(readEntries(cursor, depth + 1));
    default:
      return readConstant(cursor) ?? pythonRepr(readNumber(cursor));
  }
}

/** After `[`: the items and `]`, with the spaces behind it. */
function readItems(cursor: Cursor, readItem: () => string): string[] {
  skipSpaces(cursor);
  if (accept(cursor, ']')) return [];
  const items: string[] = [];
  do {
    skipSpaces(cursor);
    items.push(readItem());
    skipSpaces(cursor);
  } while (accept(cursor, ','));
  expect(cursor, ']');
  return items;
}

/** A key that comes again keeps its place and takes the new value. */
function readEntries(cursor: Cursor, depth: number): ReadonlyMap<string, string> {
  const entries = new Map<string, string>();
  expect(cursor, '{');
  if (accept(cursor, '}')) return entries;
  do {
    const key = readString(cursor);
    skipSpaces(cursor);
    expect(cursor, ':');
    entries.set(key, readRepr(cursor, depth));
    skipSpaces(cursor);
  } while (accept(cursor, ','));
  expect(cursor, '}');
  return entries;
}

function readString(cursor: Cursor): string {
  const start = cursor.at;
  if (cursor.text[start] !== '"') throw new NotJson();
  let end = start + 1;
  while (end < cursor.text.length && cursor.text[end] !== '"') end += cursor.text[end] === '\\' ? 2 : 1;
  cursor.at = end + 1;
  try {
    return String(JSON.parse(cursor.text.slice(start, end + 1)));
  } catch {
    throw new NotJson();
  }
}

function readConstant(cursor: Cursor): string | undefined {
  const found = CONSTANTS.find(([word]) => cursor.text.startsWith(word, cursor.at));
  if (found === undefined) return undefined;
  cursor.at += found[0].length;
  return found[1];
}

function readNumber(cursor: Cursor): bigint | number {
  NUMBER.lastIndex = cursor.at;
  const match = NUMBER.exec(cursor.text);
  if (match === null) throw new NotJson();
  cursor.at = NUMBER.lastIndex;
  const isInteger = match[1] === undefined && match[2] === undefined;
  const value = isInteger ? readPythonInt(match[0]) : Number(match[0]);
  if (value === undefined) throw new NotJson();
  return value;
}

/** Takes the token and the spaces behind it; false, taking nothing, if something else comes. */
function accept(cursor: Cursor, token: string): boolean {
  if (cursor.text[cursor.at] !== token) return false;
  cursor.at += 1;
  skipSpaces(cursor);
  return true;
}

function expect(cursor: Cursor, token: string): void {
  if (!accept(cursor, token)) throw new NotJson();
}

function skipSpaces(cursor: Cursor): void {
  SPACES.lastIndex = cursor.at;
  SPACES.test(cursor.text);
  cursor.at = SPACES.lastIndex;
}
