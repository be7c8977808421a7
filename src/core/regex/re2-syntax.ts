import {
  type CodePointSet,
  contains,
  difference,
  intersection,
  rangesOf,
  setOf,
  union,
} from '../python/code-points.js';
import type { Anchor, PatternNode } from './python-pattern-node.js';
import { INNER_NEWLINE, NEWLINE, type TextForm } from './regex-text.js';

/** RE2 takes no count above this, nor nested counts whose product is. */
const MAX_COUNT = 1000;

const NEVER = '[^\\x{0}-\\x{10ffff}]';
const NEWLINE_SET = setOf([[NEWLINE, NEWLINE]]);
const INNER_NEWLINE_SET = setOf([[INNER_NEWLINE, INNER_NEWLINE]]);

const ANCHORS: Readonly<Record<Anchor, string>> = {
  start: '\\A',
  end: '\\z',
  lastEnd: '(?m:$)',
  lineStart: '(?m:^)',
  lineEnd: '(?m:$)',
  wordEdge: '\\b',
  noWordEdge: '\\B',
};

/** A written part, and the product of the nested counts in it. */
interface Written {
  readonly text: string;
  readonly counts: number;
}

/**
 * A pattern in RE2's syntax, anchored at the start of a text that is shown in the given form. With `isEmptyText` it is
 * for the empty text, in which Python finds no `\B`.
 */
export function writeRe2(node: PatternNode, form: TextForm, isEmptyText = false): string {
  const sets = new Map<CodePointSet, string>();
  const write = (part: PatternNode): Written => {
    switch (part.kind) {
      case 'set':
        return { text: remember(sets, part.set, form), counts: 1 };
      case 'anchor':
        return { text: isEmptyText && part.anchor === 'noWordEdge' ? NEVER : ANCHORS[part.anchor], counts: 1 };
      case 'sequence':
        return joined(part.items.map(write), '');
      case 'choice':
        return group(joined(part.branches.map(write), '|'));
      case 'repeat':
        return repeated(write(part.item), part.min, part.max);
    }
  };
  return `\\A(?:${write(node).text})`;
}

function remember(sets: Map<CodePointSet, string>, set: CodePointSet, form: TextForm): string {
  const known = sets.get(set);
  if (known !== undefined) return known;
  const text = form.words === undefined ? classText(shownSet(set, form)) : markedText(set, form.words, form);
  sets.set(set, text);
  return text;
}

/** The characters that stand for the set's characters in the text as it is shown. */
function shownSet(set: CodePointSet, form: TextForm): CodePointSet {
  if (!form.marksLastNewline) return set;
  const plain = difference(set, INNER_NEWLINE_SET);
  return contains(set, NEWLINE) ? union(plain, INNER_NEWLINE_SET) : plain;
}

function markedText(set: CodePointSet, words: CodePointSet, form: TextForm): string {
  const parts: string[] = [];
  const inWords = intersection(set, words);
  const others = difference(shownSet(set, form), union(words, NEWLINE_SET));
  if (inWords.length > 0) parts.push(`w${classText(inWords)}w`);
  if (others.length > 0) parts.push(`-${classText(others)}-`);
  if (contains(set, NEWLINE)) parts.push('\\n\\n\\n');
  return parts.length === 0 ? NEVER : `(?:${parts.join('|')})`;
}

function classText(set: CodePointSet): string {
  if (set.length === 0) return NEVER;
  const ranges = Array.from(rangesOf(set), ([from, to]) => (from === to ? hex(from) : `${hex(from)}-${hex(to)}`));
  return set.length === 2 && set[0] === set[1] ? ranges.join('') : `[${ranges.join('')}]`;
}

function hex(codePoint: number): string {
  return `\\x{${codePoint.toString(16)}}`;
}

function joined(parts: readonly Written[], separator: string): Written {
  return {
    text: parts.map((part) => part.text).join(separator),
    counts: Math.max(1, ...parts.map((part) => part.counts)),
  };
}

function group(part: Written): Written {
  return { text: `(?:${part.text})`, counts: part.counts };
}

function repeated(item: Written, min: number, max: number): Written {
  const one = group(item);
  if (max === Infinity && min <= 1) return { text: `${one.text}${min === 0 ? '*' : '+'}`, counts: one.counts };
  const least = times(one, min);
  if (max === Infinity) return group(joined([least, { ...one, text: `${one.text}*` }], ''));
  return group(joined([least, times(group({ ...one, text: `${one.text}?` }), max - min)], ''));
}

/** Exactly `count` times, in portions that RE2 takes. */
function times(item: Written, count: number): Written {
  const portion = Math.max(1, Math.min(count, Math.floor(MAX_COUNT / item.counts)));
  const whole = Math.floor(count / portion);
  const rest = count - whole * portion;
  const text = `${item.text}{${portion}}`.repeat(whole) + (rest === 0 ? '' : `${item.text}{${rest}}`);
  return { text, counts: item.counts * portion };
}
