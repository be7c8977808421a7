import { complement, setOf } from '../python/code-points.js';
import { categorySet, characterSet, readCharacterEscape, readClass } from './python-pattern-class.js';
import { isFlagLetter, readFlags } from './python-pattern-flags.js';
import type { Anchor, PatternNode } from './python-pattern-node.js';
import { isQuantifier, readRepeat } from './python-pattern-quantifier.js';
import {
  accept,
  invalid,
  openPattern,
  type PatternFlags,
  type PatternReader,
  peek,
  take,
  unsupported,
} from './python-pattern-reader.js';
import { readName, readNumberEscape, refuseExtension, refuseReference } from './python-pattern-reference.js';

const MAX_NESTING = 150;

const ANCHOR_ESCAPES: ReadonlyMap<string, Anchor> = new Map<string, Anchor>([
  ['\\A', 'start'],
  ['\\Z', 'end'],
  ['\\b', 'wordEdge'],
  ['\\B', 'noWordEdge'],
]);
const ALL_BUT_NEWLINE = complement(setOf([[0x0a, 0x0a]]));
const ALL = complement([]);

/**
 * Reads a pattern by the syntax of Python 3.11's `re`. The reader comes along, to name positions by. Throws
 * INVALID_OPERAND where Python refuses the pattern, UNSUPPORTED_PATTERN where it asks for what takes more than linear time.
 */
export function readPattern(pattern: string): { readonly node: PatternNode; readonly reader: PatternReader } {
  const reader = openPattern(pattern);
  const node = readChoice(reader, 0);
  if (peek(reader) !== undefined) invalid(reader, 'unbalanced parenthesis', reader.at);
  return { node, reader };
}

function readChoice(reader: PatternReader, nesting: number): PatternNode {
  if (nesting > MAX_NESTING) unsupported(reader, `groups are nested more than ${MAX_NESTING} deep`, reader.at);
  const branches: PatternNode[] = [];
  do branches.push(readSequence(reader, nesting, nesting === 0 && branches.length === 0));
  while (accept(reader, '|'));
  const [only] = branches;
  return branches.length === 1 && only !== undefined ? only : { kind: 'choice', branches };
}

/** A sequence is a node of its own even around one item: a quantifier may follow a group that holds only an anchor. */
function readSequence(reader: PatternReader, nesting: number, isFirst: boolean): PatternNode {
  const items: PatternNode[] = [];
  for (let token = peek(reader); token !== undefined && token !== '|' && token !== ')'; token = peek(reader)) {
    reader.at += 1;
    if (reader.flags.verbose && skipVerbose(reader, token)) continue;
    if (isQuantifier(token) && readRepeat(reader, token, items)) continue;
    if (token === '(') items.push(...readGroup(reader, nesting, isFirst && items.length === 0));
    else items.push(readSingle(reader, token));
  }
  return { kind: 'sequence', items };
}

/** Skips what the flag x makes meaningless: spaces, and comments to the end of the line. */
function skipVerbose(reader: PatternReader, token: string): boolean {
  if (token === '#') {
    for (let next = take(reader); next !== undefined && next !== '\n';) next = take(reader);
    return true;
  }
  return /^[ \t-\r]$/.test(token);
}

function readSingle(reader: PatternReader, token: string): PatternNode {
  const at = reader.at - 1;
  const { flags } = reader;
  switch (token) {
    case '[':
      return { kind: 'set', set: readClass(reader) };
    case '.':
      return { kind: 'set', set: flags.dotAll ? ALL : ALL_BUT_NEWLINE };
    case '^':
      return anchorNode(flags.multiLine ? 'lineStart' : 'start', flags, at);
    case '$':
      return anchorNode(flags.multiLine ? 'lineEnd' : 'lastEnd', flags, at);
    default:
      if (token.length > 1 && token.startsWith('\\')) return readEscape(reader, token, at);
      return characterNode(token.codePointAt(0) ?? 0, flags);
  }
}

function anchorNode(anchor: Anchor, flags: PatternFlags, at: number): PatternNode {
  return { kind: 'anchor', anchor, isAscii: flags.ascii, at };
}

function characterNode(codePoint: number, flags: PatternFlags): PatternNode {
  return { kind: 'set', set: characterSet(codePoint, flags) };
}

function readEscape(reader: PatternReader, token: string, at: number): PatternNode {
  const letter = token.slice(1);
  const anchor = ANCHOR_ESCAPES.get(token);
  if (anchor !== undefined) return anchorNode(anchor, reader.flags, at);
  const set = categorySet(letter, reader.flags);
  if (set !== undefined) return { kind: 'set', set };
  const codePoint = /^[0-9]$/.test(letter) ? readNumberEscape(reader, letter, at) : readCharacterEscape(reader, token);
  return characterNode(codePoint, reader.flags);
}

/** Reads what follows a `(`; a comment and global flags are no item. */
function readGroup(reader: PatternReader, nesting: number, mayBeGlobal: boolean): readonly PatternNode[] {
  const open = reader.at - 1;
  if (!accept(reader, '?')) return [readCapture(reader, nesting, open)];
  const token = take(reader) ?? invalid(reader, 'unexpected end of pattern', open);
  switch (token) {
    case ':':
      return [readBody(reader, nesting, open, reader.flags)];
    case 'P':
      return [readNamed(reader, nesting, open)];
    case '#':
      skipComment(reader, open);
      return [];
    default:
      if (!isFlagLetter(token) && token !== '-') return refuseExtension(reader, token, open);
      reader.at -= 1;
      return readFlagged(reader, nesting, open, mayBeGlobal);
  }
}

function readFlagged(
  reader: PatternReader,
  nesting: number,
  open: number,
  mayBeGlobal: boolean,
): readonly PatternNode[] {
  const { isGlobal, flags } = readFlags(reader, open);
  if (!isGlobal) return [readBody(reader, nesting, open, flags)];
  if (!mayBeGlobal) invalid(reader, 'global flags stand only at the start of a pattern', open);
  reader.flags = flags;
  return [];
}

function skipComment(reader: PatternReader, open: number): void {
  let token = take(reader);
  while (token !== ')') token = token === undefined ? invalid(reader, 'the comment does not end', open) : take(reader);
}

function readNamed(reader: PatternReader, nesting: number, open: number): PatternNode {
  if (accept(reader, '=')) {
    const group = reader.groupNumbers.get(readName(reader, ')', open));
    return refuseReference(reader, group ?? Infinity, open);
  }
  if (!accept(reader, '<')) invalid(reader, 'unknown extension ?P', open);
  const name = readName(reader, '>', open);
  if (reader.groupNumbers.has(name)) invalid(reader, `the group name ${name} is used twice`, open);
  reader.groupNumbers.set(name, reader.groups + 1);
  return readCapture(reader, nesting, open);
}

function readCapture(reader: PatternReader, nesting: number, open: number): PatternNode {
  reader.groups += 1;
  const group = reader.groups;
  reader.openGroups.add(group);
  const body = readBody(reader, nesting, open, reader.flags);
  reader.openGroups.delete(group);
  return body;
}

function readBody(reader: PatternReader, nesting: number, open: number, flags: PatternFlags): PatternNode {
  const outer = reader.flags;
  reader.flags = flags;
  const body = readChoice(reader, nesting + 1);
  if (!accept(reader, ')')) invalid(reader, 'the group does not end', open);
  reader.flags = outer;
  return body;
}
