import type { PatternNode } from './python-pattern-node.js';
import { accept, invalid, type PatternReader, peek, takeWhile, unsupported } from './python-pattern-reader.js';

/** The largest count that Python takes is one less. */
const MAX_REPEAT = 4294967295;
const DIGIT = /^[0-9]$/;

/** Whether the token begins a quantifier; a `{` may turn out to stand for itself. */
export function isQuantifier(token: string): boolean {
  return token === '*' || token === '+' || token === '?' || token === '{';
}

/**
 * Reads the rest of a quantifier and puts a repetition in the place of the last item; false, with nothing taken, where a
 * `{` begins none.
 */
export function readRepeat(reader: PatternReader, token: string, items: PatternNode[]): boolean {
  const at = reader.at - 1;
  const bounds =
    token === '{' ? readBounds(reader, at) : { min: token === '+' ? 1 : 0, max: token === '?' ? 1 : Infinity };
  if (bounds === undefined) return false;
  const item = items.pop();
  if (item === undefined || item.kind === 'anchor') return invalid(reader, 'nothing to repeat', at);
  if (item.kind === 'repeat') return invalid(reader, 'multiple repeat', at);
  if (!accept(reader, '?') && accept(reader, '+')) unsupported(reader, 'possessive repetition is not supported', at);
  items.push({ kind: 'repeat', item, ...bounds, at });
  return true;
}

/** Reads `n}`, `n,}`, `,m}`, `n,m}` or `,}` after a `{`; undefined, with nothing taken, where something else comes. */
function readBounds(reader: PatternReader, at: number): { min: number; max: number } | undefined {
  const start = reader.at;
  if (peek(reader) === '}') return undefined;
  const low = takeWhile(reader, DIGIT);
  const high = accept(reader, ',') ? takeWhile(reader, DIGIT) : low;
  if (!accept(reader, '}')) {
    reader.at = start;
    return undefined;
  }
  const min = low === '' ? 0 : Number(low);
  const max = high === '' ? Infinity : Number(high);
  if (min >= MAX_REPEAT || (max !== Infinity && max >= MAX_REPEAT))
    invalid(reader, 'the repetition number is too large', at);
  if (max < min) invalid(reader, 'the minimum is above the maximum', at);
  return { min, max };
}
