import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { AtomIndex } from '../../src/core/atom-index/atom-index.js';
import { checkSegment, type CompileContext, compileSegment } from '../../src/core/compile.js';
import { LITESTAR_TESTS } from '../../src/core/conditions/litestar/tests.js';
import { readMozhnoOperand } from '../../src/core/conditions/mozhno/operand.js';
import { MOZHNO_OPERATORS } from '../../src/core/conditions/mozhno/operators.js';
import { MOZHNO_TESTS } from '../../src/core/conditions/mozhno/tests.js';
import { atomsOf, holds } from '../../src/core/predicates.js';
import type { IdentityView } from '../../src/core/properties/properties.js';
import type { Condition, Dialect, SegmentDefinition } from '../../src/core/segments.js';
import { formatTrait, parseTrait } from '../../src/core/trait-text.js';
import { Column } from '../../src/core/truth/column.js';
import { propertyOf } from '../../src/core/properties/properties.js';
import type { TraitValue } from '../../src/core/values.js';

const ENVIRONMENT = { key: '42', name: 'Env', identityKeyMode: 'composite' } as const;
const context = (definitions: Readonly<Record<string, SegmentDefinition>> = {}): CompileContext => ({
  environment: ENVIRONMENT,
  definitionOf: (key) => definitions[key],
});

function segment(dialect: Dialect, ...conditions: Condition[]): SegmentDefinition {
  return { dialect, enabled: true, parent: '', rules: [{ type: 'ALL', conditions, rules: [] }] };
}

const litestar = (property: string, operator: string, value: string) =>
  segment('litestar', { property, operator, value });
const mozhno = (property: string, operator: string, value: string) => segment('mozhno', { property, operator, value });

function identity(traits: Readonly<Record<string, string>>): IdentityView {
  return { id: 1, identifier: '007', key: '42_007', traits: new Map(Object.entries(traits)) };
}

/** By the atoms of the compiled predicate, each found in an index of them all. */
function isMember(definition: SegmentDefinition, traits: Readonly<Record<string, string>>, others = {}): boolean {
  const { predicate } = compileSegment('s', definition, context(others));
  const index = new AtomIndex(ENVIRONMENT);
  const ids = new Map([...atomsOf(predicate)].map(([key, atom], id) => [key, { id, atom }]));
  for (const { id, atom } of ids.values()) index.add(id, atom);
  return holds(predicate, (key) => index.evaluate(ids.get(key)?.id ?? -1, identity(traits)));
}

describe('a missing value', () => {
  it.each([
    ['eq', '"a"', false],
    ['eq', 'null', true],
    ['ne', '"a"', true],
    ['ne', 'null', false],
    ['gt', '1', false],
    ['lte', 'null', false],
    ['in', '["a"]', false],
    ['in', '["a", null]', true],
    ['in', '[]', false],
    ['not_in', '["a"]', true],
    ['not_in', '["a", null]', false],
    ['not_in', '[]', true],
    ['not_in', '"ab"', true],
    ['not_in', '5', true],
    ['contains', '"a"', false],
    ['not_contains', '"a"', true],
    ['starts_with', '""', false],
    ['matches', '""', false],
    ['semver_eq', '"1"', false],
    ['date_before', '"2024-01-01"', false],
    ['time_window', '{"start": "00:00", "end": "23:59"}', false],
  ])("makes litestar's %s %s %s, null too", (operator, operand, expected) => {
    expect(isMember(litestar('plan', operator, operand), {})).toBe(expected);
    expect(isMember(litestar('plan', operator, operand), { plan: 'null' })).toBe(expected);
    expect(isMember(litestar('$.identity.traits.plan.x', operator, operand), { plan: '{"x": [1]}' })).toBe(expected);
  });

  it.each([...MOZHNO_OPERATORS, 'not_in'])("makes mozhno's %s false", (operator) => {
    expect(isMember(mozhno('plan', operator, '["a"]'), {})).toBe(false);
    expect(isMember(mozhno('plan', operator, '[]'), {})).toBe(false);
  });

  it('has no part in an atom: they are false for it, so that a new identity touches none', () => {
    for (const [operator, operand] of [
      ['ne', '"a"'],
      ['not_in', '["a", "b"]'],
      ['not_in', '"ab"'],
      ['not_contains', '"a"'],
      ['eq', 'null'],
    ] as const) {
      const { predicate } = compileSegment('s', litestar('plan', operator, operand), context());
      const index = new AtomIndex(ENVIRONMENT);
      [...atomsOf(predicate).values()].forEach((atom, id) => index.add(id, atom));
      const born: number[] = [];
      index.flips(undefined, identity({}), (id) => born.push(id));
      expect(born).toEqual([]);
      expect(holds(predicate, () => false)).toBe(true);
    }
  });
});

describe('types', () => {
  it('are as they were given: a text is no number, whatever it looks like', () => {
    expect(isMember(litestar('age', 'eq', '"21"'), { age: '"21"' })).toBe(true);
    expect(isMember(litestar('age', 'eq', '21'), { age: '"21"' })).toBe(false);
    expect(isMember(litestar('age', 'eq', '21'), { age: '21.0' })).toBe(true);
    expect(isMember(litestar('version', 'semver_eq', '"1.10"'), { version: '"1.10"' })).toBe(true);
    expect(isMember(litestar('$.identity.identifier', 'eq', '"007"'), {})).toBe(true);
    expect(isMember(litestar('$.identity.identifier', 'eq', '7'), {})).toBe(false);
    expect(isMember(litestar('$.environment.key', 'eq', '"42"'), {})).toBe(true);
    expect(isMember(litestar('$.environment.key', 'ne', '"42"'), {})).toBe(false);
    expect(isMember(mozhno('$.environment.name', 'not_in', '["Env"]'), {})).toBe(false);
    expect(isMember(mozhno('$.environment.name', 'not_in', '["Other"]'), {})).toBe(true);
  });

  it('a trait named like a path wins over it, unless it is null', () => {
    const named = litestar('$.environment.name', 'eq', '"Mine"');
    expect(isMember(named, { '$.environment.name': '"Mine"' })).toBe(true);
    expect(isMember(litestar('$.environment.name', 'eq', '"Env"'), { '$.environment.name': '"Mine"' })).toBe(false);
    expect(isMember(litestar('$.environment.name', 'eq', '"Env"'), { '$.environment.name': 'null' })).toBe(true);
  });

  it('lists are lists', () => {
    expect(isMember(litestar('tags', 'contains', '"beta"'), { tags: '["beta", "pro"]' })).toBe(true);
    expect(isMember(litestar('tags', 'contains', '"bet"'), { tags: '["beta", "pro"]' })).toBe(false);
  });
});

describe('a segment', () => {
  it("without conditions or rules is everyone's in both dialects, no one's in Flagsmith's", () => {
    for (const dialect of ['litestar', 'mozhno'] as const) {
      expect(compileSegment('s', { ...segment(dialect), rules: [] }, context()).predicate.kind).toBe('everyone');
      expect(compileSegment('s', segment(dialect), context()).predicate.kind).toBe('everyone');
      expect(compileSegment('s', { ...segment(dialect), enabled: false }, context()).predicate.kind).toBe('nobody');
    }
    expect(compileSegment('s', { ...segment('flagsmith'), rules: [] }, context()).predicate.kind).toBe('nobody');
  });

  it('of one dialect refers to those of another, and has no members under a disabled parent', () => {
    const pro: SegmentDefinition = segment('flagsmith', { property: 'plan', operator: 'EQUAL', value: 'pro' });
    const both = segment(
      'litestar',
      { property: '', operator: 'in_segment', value: 'pro' },
      { property: 'n', operator: 'gt', value: '1' },
    );
    expect(isMember(both, { plan: '"pro"', n: '2' }, { pro })).toBe(true);
    expect(isMember(both, { plan: '"free"', n: '2' }, { pro })).toBe(false);
    const not = segment('mozhno', { property: '', operator: 'not_in_segment', value: 'pro' });
    expect(isMember(not, { plan: '"free"' }, { pro })).toBe(true);
    expect(isMember({ ...not, parent: 'pro' }, { plan: '"free"' }, { pro: { ...pro, enabled: false } })).toBe(false);
  });

  it('that an import disabled has no members, and its rules are not looked at', () => {
    const broken = {
      ...litestar('plan', 'sounds_like', '"x"'),
      enabled: false,
      disabledReason: 'UNKNOWN_OPERATOR: …',
      parent: 'gone',
    };
    expect(compileSegment('s', broken, context())).toMatchObject({
      enabled: false,
      predicate: { kind: 'nobody' },
      operands: [],
    });
    expect(
      isMember(segment('litestar', { property: '', operator: 'in_segment', value: 'broken' }), {}, { broken }),
    ).toBe(false);
  });

  it('shares atoms with others where they mean the same, not across dialects', () => {
    const keyOf = (definition: SegmentDefinition) => [
      ...atomsOf(compileSegment('s', definition, context()).predicate).keys(),
    ];
    expect(keyOf(litestar('plan', 'in', '["b", "a"]'))).toEqual(keyOf(litestar('plan', 'not_in', '["a", "b", "a"]')));
    expect(keyOf(litestar('plan', 'in', '["a"]'))).toEqual(keyOf(litestar('plan', 'ne', '"a"')));
    expect(keyOf(litestar('plan', 'eq', '"5"'))).not.toEqual(keyOf(litestar('plan', 'eq', '5')));
    expect(keyOf(mozhno('plan', 'in', '["a"]'))).not.toEqual(keyOf(litestar('plan', 'eq', '"a"')));
  });
});

describe('what cannot be written', () => {
  it.each([
    ['an operator of another dialect', litestar('plan', 'EQUAL', '"a"'), 'UNKNOWN_OPERATOR'],
    ['an operator that is not there', mozhno('plan', 'starts_with', '["a"]'), 'UNKNOWN_OPERATOR'],
    ['an operand that is no JSON', litestar('plan', 'eq', 'US'), 'INVALID_OPERAND'],
    ['a look-ahead', litestar('plan', 'matches', '"(?=a)"'), 'UNSUPPORTED_PATTERN'],
    ['a pattern that is none', litestar('plan', 'matches', '"("'), 'INVALID_OPERAND'],
    ['a type that is not there', mozhno('plan', 'gt', '{"type": "color", "values": []}'), 'INVALID_OPERAND'],
    [
      'a stored list',
      segment('litestar', { property: 'p', operator: 'in', value: '', list: { name: 'l', sha256: 'x' } }),
      'INVALID_OPERAND',
    ],
  ])('is %s', (_, definition, reason) => {
    expect(() => checkSegment('s', definition, context())).toThrow(expect.objectContaining({ reason }) as Error);
  });
});

const VALUES: readonly TraitValue[] = [
  null,
  '',
  'a',
  'ab',
  'b',
  '21',
  '1.2',
  '1.10.0',
  '2024-01-01',
  '2024-01-01T23:00:00Z',
  true,
  false,
  0n,
  1n,
  21n,
  2n ** 70n,
  21,
  21.5,
  -0.5,
  [],
  ['a', 1n],
  ['a', null],
  { a: 1n },
  {},
];
const traitValues = fc.constantFrom(...VALUES);
const LITESTAR = [
  'eq',
  'ne',
  'gt',
  'gte',
  'lt',
  'lte',
  'in',
  'not_in',
  'contains',
  'not_contains',
  'starts_with',
  'ends_with',
  'semver_eq',
  'semver_gt',
  'semver_lt',
  'date_after',
  'date_before',
  'time_window',
] as const;

/** What a condition means, read off the tables without atoms: of a missing value only what Python's None gives. */
function naive(dialect: 'litestar' | 'mozhno', operator: string, operand: TraitValue, value: TraitValue): boolean {
  if (dialect === 'mozhno') {
    if (value === null) return false;
    if (operator === 'not_in') return !MOZHNO_TESTS.in(readMozhnoOperand(operand))(value);
    const known = MOZHNO_OPERATORS.find((name) => name === operator) ?? 'in';
    return MOZHNO_TESTS[known](readMozhnoOperand(operand))(value);
  }
  if (operator === 'ne') return !naive(dialect, 'eq', operand, value);
  if (value === null) {
    if (operator === 'eq') return operand === null;
    if (operator.startsWith('not_')) return !naive(dialect, operator.slice(4), operand, value);
    return operator === 'in' && Array.isArray(operand) && operand.includes(null);
  }
  const known = LITESTAR.find((name) => name === operator);
  if (known === undefined || known === 'ne') throw new Error(operator);
  return LITESTAR_TESTS[known](operand)(value);
}

const questions = fc.oneof(
  fc.tuple(
    fc.constant('litestar' as const),
    fc.constantFrom<string>(...LITESTAR),
    fc.oneof(traitValues, fc.array(traitValues, { maxLength: 3 })),
  ),
  fc.tuple(
    fc.constant('mozhno' as const),
    fc.constantFrom<string>(...MOZHNO_OPERATORS, 'not_in'),
    fc.array(fc.constantFrom<TraitValue>('a', '21', 21n, '1.2', true), { maxLength: 3 }),
  ),
);

test('compiled conditions mean what the tables say, in an index, in its flips, and for traits given inline', () => {
  fc.assert(
    fc.property(
      questions,
      fc.constantFrom('x', '$.identity.traits.x'),
      traitValues,
      traitValues,
      ([dialect, operator, operand], property, before, after) => {
        const isNode = (value: TraitValue) => (property === 'x' || typeof value !== 'object' ? value : null);
        const definition = segment(dialect, { property, operator, value: formatTrait(operand) });
        const { predicate } = checkSegment('s', definition, context());
        const atoms = [...atomsOf(predicate)];
        const index = new AtomIndex(ENVIRONMENT);
        atoms.forEach(([, atom], id) => index.add(id, atom));
        const views = [before, after].map((value) => identity({ x: formatTrait(value) }));
        const truths = views.map((view) => atoms.map((_, id) => index.evaluate(id, view)));
        const [old, now] = truths;
        expect(holds(predicate, (key) => old?.[atoms.findIndex(([atomKey]) => atomKey === key)] ?? false)).toBe(
          naive(dialect, operator, operand, isNode(before)),
        );

        const flips: [number, boolean][] = [];
        index.flips(views[0], views[1], (id, isSet) => flips.push([id, isSet]));
        const expected = atoms.flatMap((_, id) => (old?.[id] === now?.[id] ? [] : [[id, now?.[id] ?? false]]));
        expect(flips.sort(([a], [b]) => a - b)).toEqual(expected);

        atoms.forEach(([, atom], id) => {
          const column = new Column(propertyOf(atom, ENVIRONMENT));
          const place = column.add(atom, undefined);
          column.moveTo({ identifier: '007', key: undefined, traits: new Map([['x', formatTrait(after)]]) });
          expect(column.passes(place)).toBe(now?.[id]);
        });
      },
    ),
    { numRuns: 5_000 },
  );
});

test('operands keep integers of any size', () => {
  const big = '123456789012345678901234567890';
  expect(isMember(litestar('n', 'eq', big), { n: big })).toBe(true);
  expect(isMember(litestar('n', 'gt', big), { n: `${big.slice(0, -1)}1` })).toBe(true);
  expect(parseTrait(big)).toBe(BigInt(big));
});
