/**
 * How two values of one type are ordered: negative, 0, positive, or NaN where they have no order (a NaN among them). NaN
 * fails every comparison but "not equal", as in Python.
 */
export type Order = number;

/** Orders texts by code point, not by UTF-16 unit: U+FF5E comes before U+1F600. */
export function compareText(a: string, b: string): Order {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA !== unitB) return rank(unitA) - rank(unitB);
  }
  return a.length - b.length;
}

/** A surrogate stands for a code point beyond U+FFFF, so it ranks behind every other unit. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** Orders two integers, two floats or two booleans (false first). */
export function compareScalars<T extends bigint | number | boolean>(a: T, b: T): Order {
  if (a === b) return 0;
  if (a < b) return -1;
  return a > b ? 1 : NaN;
}

/** Orders two integers as `compareScalars` does; the engine makes faster code of a function that sees one type. */
export function compareIntegers(a: bigint, b: bigint): Order {
  if (a < b) return -1;
  return a > b ? 1 : 0;
}

/** Orders two floats as `compareScalars` does. */
export function compareFloats(a: number, b: number): Order {
  if (a < b) return -1;
  if (a > b) return 1;
  return a === b ? 0 : NaN;
}
