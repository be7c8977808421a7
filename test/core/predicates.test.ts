import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AtomDefinition } from '../../src/core/atoms.js';
import { OrdinalSet } from '../../src/core/bitmap.js';
import { compose } from '../../src/core/compose.js';
import { and, atom, atomsOf, EVERYONE, holds, NOBODY, not, or, type Predicate } from '../../src/core/predicates.js';
import { runs } from '../helpers/random-segments.js';

const ATOMS = ['a', 'b', 'c'];
/** Every combination of truths of the three atoms is one ordinal. */
const UNIVERSE = OrdinalSet.of([0, 1, 2, 3, 4, 5, 6, 7]);

const definitionOf = (property: string): AtomDefinition => ({
  dialect: 'flagsmith',
  kind: 'trait',
  property,
  operator: 'IS_SET',
  operand: '',
  list: '',
  segmentKey: '',
});

/** A formula apart from predicates: its meaning by truth table. */
interface Formula {
  readonly predicate: Predicate;
  readonly isTrue: (ordinal: number) => boolean;
}

const leaf = fc.constantFrom<Formula>(
  { predicate: EVERYONE, isTrue: () => true },
  { predicate: NOBODY, isTrue: () => false },
  ...ATOMS.map((name, bit) => ({
    predicate: atom(definitionOf(name)),
    isTrue: (ordinal: number) => ((ordinal >> bit) & 1) === 1,
  })),
);
const { formula } = fc.letrec<{ formula: Formula }>((tie) => ({
  formula: fc.oneof(
    { maxDepth: 5 },
    leaf,
    tie('formula').map((inner) => ({
      predicate: not(inner.predicate),
      isTrue: (ordinal: number) => !inner.isTrue(ordinal),
    })),
    fc.array(tie('formula'), { maxLength: 4 }).map((all) => ({
      predicate: and(all.map(({ predicate }) => predicate)),
      isTrue: (ordinal: number) => all.every((one) => one.isTrue(ordinal)),
    })),
    fc.array(tie('formula'), { maxLength: 4 }).map((all) => ({
      predicate: or(all.map(({ predicate }) => predicate)),
      isTrue: (ordinal: number) => all.some((one) => one.isTrue(ordinal)),
    })),
  ),
}));

const bitOf = new Map(ATOMS.map((name, bit) => [atom(definitionOf(name)).key, bit]));
const isAtomTrue = (key: string, ordinal: number): boolean => ((ordinal >> (bitOf.get(key) ?? 31)) & 1) === 1;
const bitmaps = {
  universe: UNIVERSE,
  atom: (key: string) => OrdinalSet.of([...UNIVERSE].filter((ordinal) => isAtomTrue(key, ordinal))),
};

describe('a predicate', () => {
  it('means what its formula means after it was simplified, for one identity and for bitmaps', () => {
    fc.assert(
      fc.property(formula, ({ predicate, isTrue }) => {
        const expected = [...UNIVERSE].filter(isTrue);
        expect([...UNIVERSE].filter((ordinal) => holds(predicate, (key) => isAtomTrue(key, ordinal)))).toEqual(
          expected,
        );
        expect([...compose(predicate, bitmaps)]).toEqual(expected);
      }),
      { numRuns: runs(300) },
    );
  });

  it('has a subset of the universe as its members, though atoms reach beyond (I4)', () => {
    fc.assert(
      fc.property(formula, ({ predicate }) => {
        const universe = OrdinalSet.of([1, 2, 5]);
        const within = (key: string): OrdinalSet => bitmaps.atom(key).and(universe);
        expect(compose(predicate, { universe, atom: within }).isSubsetOf(universe)).toBe(true);
      }),
      { numRuns: runs(100) },
    );
  });

  it('has no constants within, no repeats, and the same key in whatever order it was put together', () => {
    const [a, b] = [atom(definitionOf('a')), atom(definitionOf('b'))];
    expect(and([a, EVERYONE, b, a]).key).toBe(and([b, a]).key);
    expect(or([and([b, a]), or([a, NOBODY])]).key).toBe(or([a, and([a, b])]).key);
    expect(and([a, NOBODY])).toBe(NOBODY);
    expect(or([a, EVERYONE])).toBe(EVERYONE);
    expect(and([a, not(a)])).toBe(NOBODY);
    expect(or([a, b, not(a)])).toBe(EVERYONE);
    expect(not(not(a))).toBe(a);
    expect(and([a, b]).key).not.toBe(or([a, b]).key);
  });

  it('names each of its atoms once', () => {
    const [a, b] = [atom(definitionOf('a')), atom(definitionOf('b'))];
    expect([...atomsOf(and([a, not(b), or([b, not(a)])])).keys()].sort()).toEqual([a.key, b.key].sort());
    expect(atomsOf(EVERYONE).size).toBe(0);
  });
});
