import { type CodePointSet, contains, decodeSet, difference, rangesOf, setOf, union } from './code-points.js';
import { CASED_RANGES, CASE_EQUIVALENTS, LOWER_CASE_RUNS } from './unicode-14.js';

const LAST_BMP = 0xffff;

/** One character or one range (from-to) as written in a character class; a range keeps apart what Python does. */
export interface ClassItem {
  readonly from: number;
  readonly to: number;
  readonly isRange: boolean;
}

/** How letters correspond when case is ignored: by Unicode, or in ASCII alone. */
interface CaseRules {
  readonly cased: CodePointSet;
  /** Upper-case code point → its lower case; others are their own. */
  readonly lower: ReadonlyMap<number, number>;
  /** Lower-case code point → those whose lower case it is. */
  readonly upper: ReadonlyMap<number, readonly number[]>;
  /** Those that are not their own lower case. */
  readonly upperSet: CodePointSet;
  /** Lower-case code point → all that are equal to it. */
  readonly equivalents: ReadonlyMap<number, readonly number[]>;
}

/** What a character matches where case is ignored. */
export function ignoringCase(codePoint: number, isAscii: boolean): CodePointSet {
  const rules = rulesFor(isAscii);
  if (!contains(rules.cased, codePoint)) return setOf([[codePoint, codePoint]]);
  const lower = rules.lower.get(codePoint) ?? codePoint;
  const equal = rules.equivalents.get(lower) ?? [lower];
  return singles(equal.flatMap((letter) => [letter, ...(rules.upper.get(letter) ?? [])]));
}

/**
 * What a character class of these items and categories matches where case is ignored. It does what Python does, which
 * tests the lower case of a character, but only if anything in the class has a case, or is beyond U+FFFF; and does not
 * bring a single character beyond U+FFFF to lower case.
 */
export function classIgnoringCase(
  items: readonly ClassItem[],
  categories: CodePointSet,
  isAscii: boolean,
): CodePointSet {
  const rules = rulesFor(isAscii);
  const folded = setOf(items.filter((item) => item.isRange || item.to <= LAST_BMP).map(({ from, to }) => [from, to]));
  const lowered = singles([...rules.lower].filter(([upper]) => contains(folded, upper)).map(([, lower]) => lower));
  const lowerCase = union(folded, lowered);
  const equal = singles(
    [...rules.equivalents].filter(([key]) => contains(lowerCase, key)).flatMap(([, group]) => group),
  );
  const all = union(lowerCase, equal, categories, setOf(items.map(({ from, to }) => [from, to])));
  const testsLowerCase = items.some((item) => item.to > LAST_BMP || holdsAny(rules.cased, item));
  return testsLowerCase ? lowerCaseIn(all, rules) : all;
}

/** The characters whose lower case is in the set. */
function lowerCaseIn(set: CodePointSet, rules: CaseRules): CodePointSet {
  const uppers = [...rules.lower].filter(([, lower]) => contains(set, lower)).map(([upper]) => upper);
  return union(difference(set, rules.upperSet), singles(uppers));
}

function holdsAny(set: CodePointSet, item: ClassItem): boolean {
  for (const [from, to] of rangesOf(set)) if (from <= item.to && to >= item.from) return true;
  return false;
}

function singles(codePoints: readonly number[]): CodePointSet {
  return setOf(codePoints.map((codePoint) => [codePoint, codePoint]));
}

let unicode: CaseRules | undefined;
let ascii: CaseRules | undefined;

/** Built at first use: most patterns never ignore case. */
function rulesFor(isAscii: boolean): CaseRules {
  if (isAscii)
    return (ascii ??= caseRules(
      setOf([
        [0x41, 0x5a],
        [0x61, 0x7a],
      ]),
      asciiLower(),
      new Map(),
    ));
  return (unicode ??= caseRules(decodeSet(CASED_RANGES), unicodeLower(), unicodeEquivalents()));
}

function caseRules(
  cased: CodePointSet,
  lower: ReadonlyMap<number, number>,
  equivalents: ReadonlyMap<number, readonly number[]>,
): CaseRules {
  const upper = new Map<number, readonly number[]>();
  for (const [from, to] of lower) upper.set(to, [...(upper.get(to) ?? []), from]);
  return { cased, lower, upper, upperSet: singles([...lower.keys()]), equivalents };
}

function asciiLower(): Map<number, number> {
  return new Map(Array.from({ length: 26 }, (_, letter) => [0x41 + letter, 0x61 + letter]));
}

function unicodeLower(): Map<number, number> {
  const lower = new Map<number, number>();
  let start = 0;
  for (const run of LOWER_CASE_RUNS.split(' ')) {
    const [skip = 0, count = 0, step = 0, distance = 0] = run.split(',').map((part) => Number.parseInt(part, 36));
    start += skip;
    for (let i = 0; i < count; i += 1) lower.set(start + i * step, start + i * step + distance);
  }
  return lower;
}

function unicodeEquivalents(): Map<number, readonly number[]> {
  const groups = CASE_EQUIVALENTS.split(' ').map((group) => group.split('-').map((part) => Number.parseInt(part, 36)));
  return new Map(groups.flatMap((group) => group.map((codePoint) => [codePoint, group] as const)));
}
