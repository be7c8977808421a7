import { MAX_IDENTIFIER_LENGTH } from '../../core/changes.js';
import { UnreadTraits } from '../../core/unread-traits.js';
import type { MemberChoice } from './careful-line.js';
import type { FileRow } from './file-row.js';
import { JsonScanner } from './json-scanner.js';
import { MAX_FAST_NAME } from './usual-object.js';

/** Reads a line of NDJSON without building it; undefined where it is not as programs usually write it, or wrong. */
export type ReadFast = (text: string, from: number, to: number) => Omit<FileRow, 'line'> | undefined;

export function createFastReader({ identifierMember, idMember, keepsNulls = false }: MemberChoice): ReadFast {
  const scanner = new JsonScanner();
  const memberNames: string[] = [];
  const traitNames: string[] = [];
  return (text, from, to) => {
    scanner.begin(text, from, to);
    if (!scanner.take(OPENING_BRACE)) return undefined;
    const others = new Map<string, string>();
    let identifier: string | undefined;
    let id: number | undefined;
    let traits: ReadonlyMap<string, string> | undefined;
    let place = 0;
    do {
      const name = readName(scanner, memberNames, place++);
      if (name === undefined) return undefined;
      if (name === identifierMember) {
        if (identifier !== undefined) return undefined;
        identifier = readIdentifier(scanner);
        if (identifier === undefined) return undefined;
      } else if (name === idMember) {
        if (id !== undefined) return undefined;
        id = readGivenId(scanner);
        if (id === undefined) return undefined;
      } else if (name === 'traits') {
        if (traits !== undefined) return undefined;
        traits = readTraits(scanner, traitNames, keepsNulls);
        if (traits === undefined) return undefined;
      } else {
        const value = scanner.value();
        if (value === undefined) return undefined;
        put(others, name, value, keepsNulls);
      }
    } while (scanner.take(COMMA));
    if (!scanner.take(CLOSING_BRACE) || !scanner.isOver() || identifier === undefined) return undefined;
    if (idMember !== undefined && id === undefined) return undefined;
    if (traits !== undefined && others.size > (others.has('id') ? 1 : 0)) return undefined;
    const row = { identifier, traits: traits ?? others };
    return id === undefined ? row : { ...row, id };
  };
}

function readTraits(
  scanner: JsonScanner,
  names: string[],
  keepsNulls: boolean,
): ReadonlyMap<string, string> | undefined {
  const text = scanner.usualObject();
  if (text !== undefined) return new UnreadTraits(text);
  if (!scanner.take(OPENING_BRACE)) return undefined;
  const traits = new Map<string, string>();
  if (scanner.take(CLOSING_BRACE)) return traits;
  let place = 0;
  do {
    const name = readName(scanner, names, place++);
    const value = name === undefined ? undefined : scanner.value();
    if (name === undefined || value === undefined) return undefined;
    put(traits, name, value, keepsNulls);
  } while (scanner.take(COMMA));
  return scanner.take(CLOSING_BRACE) ? traits : undefined;
}

/** Of a repeated name the last value counts. */
function put(traits: Map<string, string>, name: string, value: string, keepsNulls: boolean): void {
  if (value === 'null' && !keepsNulls) traits.delete(name);
  else traits.set(name, value);
}

/** The name that stood at the same place of the line before is probably there again: then it is that very text, whose hash is known. */
function readName(scanner: JsonScanner, names: string[], place: number): string | undefined {
  const expected = names[place];
  if (expected !== undefined && scanner.takeString(expected)) return scanner.take(COLON) ? expected : undefined;
  const name = scanner.plainString();
  if (name === undefined || name.length > MAX_FAST_NAME || name === '__proto__') return undefined;
  if (place < MAX_EXPECTED) names[place] = name;
  return scanner.take(COLON) ? name : undefined;
}

const MAX_EXPECTED = 200;

function readIdentifier(scanner: JsonScanner): string | undefined {
  const identifier = scanner.peek() === QUOTE ? scanner.plainString() : integerOf(scanner.value());
  if (identifier === undefined || identifier === '' || identifier.length > MAX_IDENTIFIER_LENGTH) return undefined;
  return identifier;
}

function readGivenId(scanner: JsonScanner): number | undefined {
  const id = Number(integerOf(scanner.value()) ?? Number.NaN);
  return Number.isSafeInteger(id) && id >= 0 ? id : undefined;
}

function integerOf(value: string | undefined): string | undefined {
  return value !== undefined && /^-?[0-9]+$/.test(value) ? value : undefined;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
