/**
 * A set of code points: sorted, disjoint, not adjacent ranges, flattened as from, to, from, to … (both ends included).
 */
export type CodePointSet = readonly number[];

export const LAST_CODE_POINT = 0x10ffff;

/** The set that a list of base-36 numbers describes: in turn how many code points to skip and how many to take. */
export function decodeSet(text: string): CodePointSet {
  const set: number[] = [];
  let next = 0;
  for (const [index, part] of text.split(' ').entries()) {
    const count = Number.parseInt(part, 36);
    if (index % 2 === 1) set.push(next, next + count - 1);
    next += count;
  }
  return set;
}

/** Ranges (from, to), in any order, overlapping or not, as a set. */
export function setOf(ranges: Iterable<readonly [number, number]>): CodePointSet {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const set: number[] = [];
  for (const [from, to] of sorted) {
    const end = set.at(-1);
    if (end === undefined || from > end + 1) set.push(from, to);
    else if (to > end) set[set.length - 1] = to;
  }
  return set;
}

/** The ranges of a set, ascending. */
export function* rangesOf(set: CodePointSet): Generator<readonly [number, number]> {
  for (let i = 0; i + 1 < set.length; i += 2) yield [set[i] ?? 0, set[i + 1] ?? 0];
}

export function union(...sets: readonly CodePointSet[]): CodePointSet {
  return setOf(sets.flatMap((set) => [...rangesOf(set)]));
}

export function complement(set: CodePointSet): CodePointSet {
  const ranges: [number, number][] = [];
  let next = 0;
  for (const [from, to] of rangesOf(set)) {
    if (from > next) ranges.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= LAST_CODE_POINT) ranges.push([next, LAST_CODE_POINT]);
  return setOf(ranges);
}

export function intersection(a: CodePointSet, b: CodePointSet): CodePointSet {
  return complement(union(complement(a), complement(b)));
}

export function difference(a: CodePointSet, b: CodePointSet): CodePointSet {
  return intersection(a, complement(b));
}

export function contains(set: CodePointSet, codePoint: number): boolean {
  return startOfRange(set, codePoint) !== undefined;
}

/** The start of the set's range that holds the code point; undefined if none does. */
export function startOfRange(set: CodePointSet, codePoint: number): number | undefined {
  let low = 0;
  let high = set.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (codePoint > (set[middle * 2 + 1] ?? 0)) low = middle + 1;
    else high = middle;
  }
  const start = set[low * 2];
  return start !== undefined && codePoint >= start ? start : undefined;
}
