import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AtomDefinition } from '../../../src/core/atoms.js';
import { compileSegment } from '../../../src/core/compile.js';
import { RollcallError } from '../../../src/core/errors.js';
import { and, atom, EVERYONE, NOBODY, not, or, type Predicate } from '../../../src/core/predicates.js';
import { formatTrait } from '../../../src/core/trait-text.js';
import type { InlineIdentity } from '../../../src/core/truth/column.js';
import { TruthPlan } from '../../../src/core/truth/truth-plan.js';
import { atomDefinitions } from '../../helpers/atom-definitions.js';
import { isAtomTrue, isMember } from '../../helpers/oracle.js';
import { runs, segmentSets, traitMaps } from '../../helpers/random-segments.js';
import { traitValues } from '../../helpers/trait-values.js';

const environment = { key: 'env', name: 'Env', identityKeyMode: 'composite' } as const;
const LISTS = new Map([
  ['short', new Set(['pro', '21', 'user-1', '2'])],
  ['long', new Set(Array.from({ length: 12_000 }, (_, number) => (number === 0 ? 'pro' : String(number))))],
]);

const identities: fc.Arbitrary<InlineIdentity> = fc
  .record({ number: fc.integer({ min: 0, max: 9 }), traits: traitMaps })
  .map(({ number, traits }) => ({ identifier: `user-${number}`, key: `env_user-${number}`, traits }));

const viewOf = ({ identifier, key, traits }: InlineIdentity) => ({ id: 0, identifier, key: key ?? '', traits });

const propertiesOfAtoms = fc.constantFrom<Pick<AtomDefinition, 'kind' | 'property'>>(
  { kind: 'trait', property: 'plan' },
  { kind: 'path', property: '$.identity.traits.plan' },
  { kind: 'path', property: '$.identity.traits.tags.level' },
  { kind: 'path', property: '$..level' },
  { kind: 'path', property: '$.identity.identifier' },
);
const listedAtoms = fc
  .tuple(propertiesOfAtoms, fc.constantFrom('short', 'long'))
  .map(([property, list]) => definitionOf({ ...property, operator: 'IN', list }));
const predicates: fc.Arbitrary<Predicate> = fc.letrec<{ predicate: Predicate }>((tie) => ({
  predicate: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(atomDefinitions(propertiesOfAtoms), listedAtoms).map(atom),
    tie('predicate').map(not),
    fc.array(tie('predicate'), { maxLength: 4 }).map(and),
    fc.array(tie('predicate'), { maxLength: 4 }).map(or),
  ),
})).predicate;

describe('a truth plan', () => {
  it('finds what a naive evaluation of the rules finds, for one identity after the other', () => {
    const property = fc.property(
      segmentSets(4),
      fc.array(identities, { minLength: 1, maxLength: 6 }),
      (set, people) => {
        const plan = new TruthPlan(environment);
        const definitionIn = (key: string) => set.get(key);
        const segments = [...set].map(([key, definition]) => {
          const { predicate } = compileSegment(key, definition, { environment, definitionOf: definitionIn });
          return { key, first: plan.compile(predicate, new Map()) };
        });
        for (const identity of [...people, ...people]) {
          plan.moveTo(identity);
          for (const { key, first } of segments)
            expect(plan.isTrue(first)).toBe(isMember(key, viewOf(identity), { environment, definitions: set }));
        }
      },
    );
    fc.assert(property, { numRuns: runs(300) });
  });

  it('finds what fresh matchers find, for every operator, stored lists and values of any kind, also for what is compiled later', () => {
    const valued = fc
      .record({ value: traitValues, other: traitMaps })
      .map(({ value, other }) => new Map([...other, ['plan', formatTrait(value)]]));
    const people = fc.array(fc.oneof(valued, traitMaps).map(named), { minLength: 1, maxLength: 4 });
    const property = fc.property(fc.array(predicates, { maxLength: 6 }), people, (all, some) => {
      const plan = new TruthPlan(environment);
      for (const identity of some) {
        plan.moveTo(identity);
        for (const predicate of all)
          expect(plan.isTrue(plan.compile(predicate, LISTS))).toBe(naiveTruth(predicate, identity));
      }
    });
    fc.assert(property, { numRuns: runs(500) });
  });

  it('remembers no value for another: more values than are kept, each seen twice', () => {
    const plan = new TruthPlan(environment);
    const older = plan.compile(
      atom(definitionOf({ property: 'age', operator: 'GREATER_THAN', operand: '500' })),
      LISTS,
    );
    const listed = plan.compile(atom(definitionOf({ property: 'age', operator: 'IN', operand: '[1, 999]' })), LISTS);
    for (const age of Array.from({ length: 2_000 }, (_, place) => place % 1_000)) {
      plan.moveTo(named(new Map([['age', String(age)]])));
      expect([plan.isTrue(older), plan.isTrue(listed)]).toEqual([age > 500, age === 1 || age === 999]);
    }
  });

  it('needs no key that nothing comes to, and says so where something does', () => {
    const plan = new TruthPlan(environment);
    const split = atom({
      ...definitionOf({ property: '', operator: 'PERCENTAGE_SPLIT', operand: '50' }),
      kind: 'path',
      segmentKey: '1',
    });
    const isPro = atom(definitionOf({ operator: 'EQUAL', operand: 'pro' }));
    const both = plan.compile(and([split, isPro]), LISTS);
    const either = plan.compile(or([not(split), isPro]), LISTS);
    plan.moveTo({ identifier: 'a', key: undefined, traits: new Map([['plan', '"free"']]) });
    expect(plan.isTrue(both)).toBe(false);
    expect(() => plan.isTrue(either)).toThrow(expect.objectContaining({ reason: 'INVALID_REQUEST' }));
    plan.moveTo({ identifier: 'a', key: undefined, traits: new Map([['plan', '"pro"']]) });
    expect(plan.isTrue(either)).toBe(true);
    expect(() => plan.isTrue(both)).toThrow(expect.objectContaining({ reason: 'INVALID_REQUEST' }));
  });

  it('compares with no stored list that is missing', () => {
    const plan = new TruthPlan(environment);
    const first = plan.compile(atom(definitionOf({ operator: 'IN', list: 'short' })), new Map());
    plan.moveTo(named(new Map([['plan', '"pro"']])));
    expect(() => plan.isTrue(first)).toThrow(RollcallError);
  });

  it('reads an operand only when it is come to: a bad one of long ago harms nothing else', () => {
    const plan = new TruthPlan(environment);
    const bad = atom(definitionOf({ operator: 'REGEX', operand: '(' }));
    const first = plan.compile(and([bad, atom(definitionOf({ operator: 'EQUAL', operand: 'pro' }))]), LISTS);
    plan.moveTo(named(new Map([['plan', '"free"']])));
    expect(plan.isTrue(first)).toBe(false);
    plan.moveTo(named(new Map([['plan', '"pro"']])));
    expect(() => plan.isTrue(first)).toThrow(expect.objectContaining({ reason: 'INVALID_OPERAND' }));
  });

  it('knows everyone and nobody', () => {
    const plan = new TruthPlan(environment);
    expect([EVERYONE, NOBODY].map((predicate) => plan.isTrue(plan.compile(predicate, LISTS)))).toEqual([true, false]);
  });

  it('tells of the lists in it how much they take', () => {
    const plan = new TruthPlan(environment);
    const before = plan.bytes;
    plan.compile(atom(definitionOf({ operator: 'IN', list: 'long' })), LISTS);
    expect(plan.bytes - before).toBeGreaterThan(12_000 * 64);
  });
});

function naiveTruth(predicate: Predicate, identity: InlineIdentity): boolean {
  switch (predicate.kind) {
    case 'everyone':
      return true;
    case 'nobody':
      return false;
    case 'atom':
      return isAtomTrue(predicate.atom, viewOf(identity), { environment, lists: LISTS });
    case 'not':
      return !naiveTruth(predicate.operand, identity);
    case 'and':
      return !predicate.operands.map((operand) => naiveTruth(operand, identity)).includes(false);
    case 'or':
      return predicate.operands.map((operand) => naiveTruth(operand, identity)).includes(true);
  }
}

function named(traits: ReadonlyMap<string, string>): InlineIdentity {
  return { identifier: 'user-1', key: 'env_user-1', traits };
}

function definitionOf(definition: Partial<FlagsmithAtom> & Pick<FlagsmithAtom, 'operator'>): AtomDefinition {
  return {
    dialect: 'flagsmith',
    kind: 'trait',
    property: 'plan',
    operand: '',
    list: '',
    segmentKey: '',
    ...definition,
  };
}

type FlagsmithAtom = Extract<AtomDefinition, { readonly dialect: 'flagsmith' }>;
