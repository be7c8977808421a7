import { RollcallError } from './errors.js';
import { formatTrait, isList } from './trait-text.js';
import type { TraitValue } from './values.js';

export interface TraitLimits {
  /** Bytes of UTF-8 of a trait's key. */
  readonly maxKeyBytes: number;
  /** Bytes of UTF-8 of a trait's JSON text. */
  readonly maxValueBytes: number;
}

/** Well below what jsonb can hold: an integer of 65,536 digits still is a Postgres numeric. */
export const DEFAULT_TRAIT_LIMITS: TraitLimits = { maxKeyBytes: 512, maxValueBytes: 64 * 1024 };

/** Lists and objects within each other; a scalar has depth 0. */
export const MAX_TRAIT_DEPTH = 32;

/**
 * Refuses a trait that cannot be kept exactly as it is: NUL characters and lone surrogates in it or its key, NaN, infinities, deep nesting, and
 * what is too large. Throws INVALID_TRAIT with metadata `trait`, the key (shortened).
 */
export function checkTrait(key: string, value: TraitValue, limits: TraitLimits): void {
  const problem = problemOf(key, value, limits);
  if (problem === undefined) return;
  throw new RollcallError('INVALID_TRAIT', `a trait ${problem}`, { metadata: { trait: shorten(key) } });
}

function problemOf(key: string, value: TraitValue, limits: TraitLimits): string | undefined {
  if (isLonger(key, limits.maxKeyBytes)) return `has a key of more than ${limits.maxKeyBytes} bytes`;
  const inKey = problemOfText(key);
  if (inKey !== undefined) return `has a key that ${inKey}`;
  const inValue = problemOfValue(value, 0);
  if (inValue !== undefined) return inValue;
  return isLonger(formatTrait(value), limits.maxValueBytes)
    ? `is larger than ${limits.maxValueBytes} bytes`
    : undefined;
}

function problemOfValue(value: TraitValue, depth: number): string | undefined {
  if (typeof value === 'string') return problemOfText(value);
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'is not a finite number';
  return typeof value === 'object' && value !== null ? problemOfNested(value, depth + 1) : undefined;
}

function problemOfNested(
  value: readonly TraitValue[] | { readonly [key: string]: TraitValue },
  depth: number,
): string | undefined {
  if (depth > MAX_TRAIT_DEPTH) return `is nested more than ${MAX_TRAIT_DEPTH} levels deep`;
  const keys = isList(value) ? [] : Object.keys(value);
  return (
    firstProblem(keys, problemOfText) ?? firstProblem(Object.values(value), (inner) => problemOfValue(inner, depth))
  );
}

function firstProblem<Item>(items: readonly Item[], check: (item: Item) => string | undefined): string | undefined {
  for (const item of items) {
    const problem = check(item);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function problemOfText(text: string): string | undefined {
  if (text.includes('\0')) return 'contains a NUL character';
  if (LONE_SURROGATE.test(text)) return 'contains half of a surrogate pair';
  return undefined;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

function isLonger(text: string, maxBytes: number): boolean {
  return text.length > maxBytes || Buffer.byteLength(text) > maxBytes;
}

function shorten(key: string): string {
  return key
    .slice(0, 64)
    .replaceAll('\0', '\uFFFD')
    .replaceAll(/\p{Surrogate}/gu, '\uFFFD');
}
