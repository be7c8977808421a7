import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AtomIndex } from '../../../src/core/atom-index/atom-index.js';
import type { AtomDefinition } from '../../../src/core/atoms.js';
import { compileAtomMatcher } from '../../../src/core/conditions/atom-matcher.js';
import { type IdentityView, propertyOf, resolveProperty } from '../../../src/core/properties/properties.js';
import { formatTrait } from '../../../src/core/trait-text.js';
import { atomDefinitions, conditionValues } from '../../helpers/atom-definitions.js';

const environment = { key: 'ENV', name: 'Production' };
const KEYS = ['x', 'y', '$.identity.traits.x', '$.identity.identifier'];

const properties = fc.record({
  kind: fc.constantFrom('trait' as const, 'path' as const),
  property: fc.constantFrom(
    ...KEYS,
    '',
    '$.identity.key',
    '$.identity.traits.x[0]',
    "$.identity.traits['y'].a",
    '$.identity.traits.*',
    '$..a',
    '$.environment.name',
    '$.identity.nope',
  ),
});

const traitValues = fc.oneof(
  { weight: 4, arbitrary: conditionValues.filter((value) => typeof value !== 'number' || Number.isFinite(value)) },
  { weight: 1, arbitrary: fc.constantFrom(null, ['a', 1n], [], { a: 'a' }, { a: 1.5 }) },
);

const identities: fc.Arbitrary<IdentityView> = fc.record({
  id: fc.constant(1),
  identifier: fc.constantFrom('a', '10', '1.5', 'b'),
  key: fc.constantFrom('ENV_a', '10', 'ENV_b'),
  traits: fc
    .dictionary(fc.constantFrom(...KEYS, 'z'), traitValues)
    .map((traits) => new Map(Object.entries(traits).map(([key, value]) => [key, formatTrait(value)] as const))),
});

function isTrue(definition: AtomDefinition, identity: IdentityView | undefined): boolean {
  const value = identity && resolveProperty(propertyOf(definition, environment), identity);
  return value !== undefined && compileAtomMatcher(definition)(value);
}

function indexOf(definitions: readonly AtomDefinition[]): AtomIndex {
  const index = new AtomIndex(environment);
  definitions.forEach((definition, atomId) => index.add(atomId, definition));
  return index;
}

function flipsOf(
  index: AtomIndex,
  before: IdentityView | undefined,
  after: IdentityView | undefined,
): [number, boolean][] {
  const flips: [number, boolean][] = [];
  index.flips(before, after, (atomId, isSet) => flips.push([atomId, isSet]));
  return flips.sort(([a], [b]) => a - b);
}

const states = fc.option(identities, { nil: undefined, freq: 6 });
const atoms = fc.array(atomDefinitions(properties), { maxLength: 40 });

describe('the atoms of an environment', () => {
  test('that flip between two states of an identity are exactly those whose truth differs', () => {
    fc.assert(
      fc.property(
        atoms,
        states,
        states,
        fc.array(fc.nat({ max: 39 }), { maxLength: 10 }),
        (definitions, before, after, removed) => {
          const index = indexOf(definitions);
          for (const atomId of removed) index.remove(atomId);
          const expected = definitions.flatMap((definition, atomId) => {
            const isSet = isTrue(definition, after);
            return isSet === isTrue(definition, before) || removed.includes(atomId) ? [] : [[atomId, isSet]];
          });
          expect(flipsOf(index, before, after)).toEqual(expected);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('are each true of an identity as their property and matcher say', () => {
    fc.assert(
      fc.property(atoms, identities, (definitions, identity) => {
        const index = indexOf(definitions);
        definitions.forEach((definition, atomId) => {
          expect(index.evaluate(atomId, identity)).toBe(isTrue(definition, identity));
        });
      }),
    );
  });

  test('are not looked at where nothing changed', () => {
    const index = indexOf([
      { dialect: 'flagsmith', kind: 'trait', property: 'x', operator: 'IS_SET', operand: '', list: '', segmentKey: '' },
    ]);
    const identity = { id: 1, identifier: 'a', key: 'k', traits: new Map([['x', '1']]) };
    expect(flipsOf(index, identity, identity)).toEqual([]);
    expect(flipsOf(index, identity, { ...identity, traits: new Map([['x', '2']]) })).toEqual([]);
    expect(flipsOf(index, identity, undefined)).toEqual([[0, false]]);
    expect(flipsOf(index, undefined, undefined)).toEqual([]);
  });

  test('can be replaced under the same id, and a refused one leaves nothing behind', () => {
    const index = new AtomIndex(environment);
    const atom = {
      dialect: 'flagsmith',
      kind: 'trait',
      property: 'x',
      operator: 'EQUAL',
      operand: '1',
      list: '',
      segmentKey: '',
    } as const;
    const identity = {
      id: 1,
      identifier: 'a',
      key: 'k',
      traits: new Map([
        ['x', '1'],
        ['y', '2'],
      ]),
    };
    index.add(5, atom);
    index.add(5, { ...atom, property: 'y', operand: '2' });
    expect(flipsOf(index, undefined, identity)).toEqual([[5, true]]);
    expect(index.size).toBe(1);
    expect(() => index.add(6, { ...atom, operator: 'MODULO', operand: '0|0' })).toThrow(
      expect.objectContaining({ reason: 'INVALID_OPERAND' }),
    );
    expect(index.size).toBe(1);
    expect(index.evaluate(6, identity)).toBe(false);
  });
});
