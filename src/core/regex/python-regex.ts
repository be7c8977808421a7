import { RE2JS, RE2JSException } from 're2js';
import { RollcallError } from '../errors.js';
import { readPattern } from './python-pattern.js';
import { wordSet } from './python-pattern-class.js';
import type { PatternNode } from './python-pattern-node.js';
import { type PatternReader, unsupported } from './python-pattern-reader.js';
import { writeRe2 } from './re2-syntax.js';
import { encodeText, type TextForm } from './regex-text.js';

/** What a pattern may come to with its repetitions written out. A text takes at most time in proportion to it. */
const MAX_EXPANDED_SIZE = 5000;
/** Bounds, in characters, for what is written and for what RE2 is given, where a single `\w` comes to 12,000. */
const MAX_PATTERN_LENGTH = 10_000;
const MAX_RE2_LENGTH = 2_000_000;

type AnchorNode = Extract<PatternNode, { kind: 'anchor' }>;

/**
 * Compiles a pattern to what Python's `re.match(pattern, text)` finds: whether something at the start of the text
 * matches. Time is linear in the text. Throws INVALID_OPERAND where Python refuses the pattern, UNSUPPORTED_PATTERN where
 * RE2 cannot express it exactly; both with the position (in characters, from 0) in the metadata.
 */
export function compilePythonRegex(pattern: string): (text: string) => boolean {
  if (pattern.length > MAX_PATTERN_LENGTH) throw tooLarge();
  const { node, reader } = readPattern(pattern);
  if (expandedSize(node, reader) > MAX_EXPANDED_SIZE) throw tooLarge();
  const anchors = anchorsIn(node);
  const form = textFormFor(anchors, reader);
  const program = compileRe2(writeRe2(node, form));
  if (form.words === undefined && !form.marksLastNewline) return (text) => program.test(text);
  const matchesEmpty = compileRe2(writeRe2(node, form, true)).test('');
  return (text) => (text === '' ? matchesEmpty : program.test(encodeText(text, form)));
}

/** How many sets and anchors there are with every repetition written out; refuses a repetition that is too large. */
function expandedSize(node: PatternNode, reader: PatternReader): number {
  switch (node.kind) {
    case 'set':
    case 'anchor':
      return 1;
    case 'sequence':
      return Math.max(1, sum(node.items.map((item) => expandedSize(item, reader))));
    case 'choice':
      return sum(node.branches.map((branch) => expandedSize(branch, reader)));
    case 'repeat': {
      const copies = Math.max(1, node.max === Infinity ? node.min + 1 : node.max);
      const size = expandedSize(node.item, reader) * copies;
      return size > MAX_EXPANDED_SIZE ? unsupported(reader, 'the repetition is too large', node.at) : size;
    }
  }
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}

function anchorsIn(node: PatternNode): readonly AnchorNode[] {
  switch (node.kind) {
    case 'set':
      return [];
    case 'anchor':
      return [node];
    case 'sequence':
      return node.items.flatMap(anchorsIn);
    case 'choice':
      return node.branches.flatMap(anchorsIn);
    case 'repeat':
      return anchorsIn(node.item);
  }
}

/** A text can be shown in one way only: anchors that need different ways exclude each other. */
function textFormFor(anchors: readonly AnchorNode[], reader: PatternReader): TextForm {
  const marksLastNewline = anchors.some(({ anchor }) => anchor === 'lastEnd');
  const line = anchors.find(({ anchor }) => anchor === 'lineStart' || anchor === 'lineEnd');
  if (marksLastNewline && line !== undefined)
    unsupported(reader, '$ with and without the flag m is not supported', line.at);
  const edges = anchors.filter(({ anchor }) => anchor === 'wordEdge' || anchor === 'noWordEdge');
  const other = edges.find(({ isAscii }) => isAscii !== edges[0]?.isAscii);
  if (other !== undefined) unsupported(reader, '\\b with and without the flag a is not supported', other.at);
  return { marksLastNewline, words: edges[0] === undefined ? undefined : wordSet(edges[0].isAscii) };
}

function compileRe2(pattern: string): RE2JS {
  if (pattern.length > MAX_RE2_LENGTH) throw tooLarge();
  try {
    return RE2JS.compile(pattern);
  } catch (cause) {
    if (!(cause instanceof RE2JSException)) throw cause;
    throw tooLarge(cause);
  }
}

function tooLarge(cause?: unknown): RollcallError {
  return new RollcallError('UNSUPPORTED_PATTERN', 'the regular expression is too large', {
    metadata: { position: '0' },
    cause,
  });
}
