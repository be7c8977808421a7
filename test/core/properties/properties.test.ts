import { describe, expect, test } from 'vitest';
import {
  constantOf,
  dependenciesOf,
  type IdentityView,
  parseProperty,
  propertyOf,
  resolveProperty,
} from '../../../src/core/properties/properties.js';
import { splitTraits } from '../../../src/core/trait-text.js';

const environment = { key: 'ENV', name: '2024' };

function identity(traits: string, identifier = '007'): IdentityView {
  return { id: 7, identifier, key: `ENV_${identifier}`, traits: splitTraits(traits) };
}

function valueOf(text: string, traits = '{}', identifier?: string): unknown {
  return resolveProperty(parseProperty(text, environment, 'EQUAL'), identity(traits, identifier));
}

describe("a property's value", () => {
  test.each<[string, string, unknown]>([
    ['x', '{"x": 1}', 1n],
    ['x', '{"x": 1.0}', 1],
    ['x', '{"x": "1.50"}', 1.5],
    ['x', '{"x": null}', undefined],
    ['x', '{}', undefined],
    ['', '{"": "blank"}', 'blank'],
    ['x', '{"x": {"a": [1, true]}}', "{'a': [1, True]}"],
    ['$', '{"$": "a name"}', 'a name'],
    ["$['identity']['identifier']", '{}', undefined],
    ['$.not a path', '{"$.not a path": 1}', 1n],
    ['$.identity.identifier', '{}', 7n],
    ["$.identity['key']", '{}', 'ENV_007'],
    ['$.identity.traits.x', '{"x": "5"}', 5n],
    ['$.identity.traits.x', '{"x": [5]}', undefined],
    ['$.identity.traits.x[0]', '{"x": [5]}', 5n],
    ['$.identity.traits.x.y', '{"x": {"y": false}}', false],
    ['$.identity.traits.x', '{"x": 1, "$.identity.traits.x": 2}', 2n],
    ['$.identity.traits.x', '{"x": 1, "$.identity.traits.x": null}', 1n],
    ['$.identity.traits.x', '{"x": 1, "$.identity.traits.x": []}', '[]'],
    ['$.identity.identifier', '{"$.identity.identifier": "other"}', 'other'],
    ['$.environment.name', '{}', 2024n],
    ['$.environment.name', '{"$.environment.name": "other"}', 'other'],
    ['$.identity.*', '{"a": 1}', 7n],
    ['$.identity.traits.*', '{"bb": 1, "c": 2}', 2n],
    ['$..y', '{"x": {"y": "deep"}}', 'deep'],
    ["$.identity.traits[?@ == 'v']", '{"a": 1, "b": "v"}', 'v'],
  ])('%s of %s', (text, traits, expected) => {
    expect(valueOf(text, traits)).toBe(expected);
  });

  test('that is blank is the key as it is for PERCENTAGE_SPLIT only', () => {
    const view = { ...identity('{"": "trait"}'), key: '007' };
    expect(resolveProperty(parseProperty('', environment, 'PERCENTAGE_SPLIT'), view)).toBe('007');
    expect(resolveProperty(parseProperty('', environment, 'REGEX'), view)).toBe('trait');
    expect(resolveProperty(parseProperty('$.identity.key', environment, 'PERCENTAGE_SPLIT'), view)).toBe(7n);
  });

  test('does not depend on the order in which traits came', () => {
    expect(valueOf('$.identity.traits.*', '{"b": 1, "a": 2}')).toBe(valueOf('$.identity.traits.*', '{"a": 2, "b": 1}'));
  });

  test("of an atom of kind trait is that trait's, even where its name is a path", () => {
    const property = propertyOf(
      { dialect: 'flagsmith', kind: 'trait', property: '$.environment.name', operator: 'EQUAL' },
      environment,
    );
    expect(property).toEqual({ kind: 'trait', key: '$.environment.name' });
    expect(
      propertyOf({ dialect: 'flagsmith', kind: 'trait', property: '', operator: 'PERCENTAGE_SPLIT' }, environment),
    ).toEqual({
      kind: 'trait',
      key: '',
    });
  });
});

describe('a property', () => {
  test.each<[string, unknown]>([
    ['$.environment.key', 'ENV'],
    ['$.environment.name', 2024n],
    ["$.environment['name']", 2024n],
    ['$.environment.*', 'ENV'],
    ["$.environment[?@ == '2024']", 2024n],
    ['$.environment', undefined],
    ['$.environment.nope', undefined],
    ['$.environment.name.x', undefined],
    ['$.identity', undefined],
    ['$.identity.traits', undefined],
    ['$.identity.nope', undefined],
    ['$.identity.identifier.x', undefined],
    ['$.identity.traits[0]', undefined],
    ['$.nope', undefined],
  ])('%s is constant', (text, value) => {
    expect(constantOf(parseProperty(text, environment, 'EQUAL'))).toMatchObject({ value });
  });

  const nothing = { traitKeys: [], identifier: false, any: false };
  test.each([
    ['x', { ...nothing, traitKeys: ['x'] }],
    ['$.identity.traits.x', { ...nothing, traitKeys: ['$.identity.traits.x', 'x'] }],
    ["$.identity['traits']['x'].y[0]", { ...nothing, traitKeys: ["$.identity['traits']['x'].y[0]", 'x'] }],
    ['$.identity.identifier', { ...nothing, traitKeys: ['$.identity.identifier'], identifier: true }],
    ['$.identity.key', { ...nothing, traitKeys: ['$.identity.key'], identifier: true }],
    ['$.identity.traits.*', { traitKeys: [], identifier: true, any: true }],
    ['$..x', { traitKeys: [], identifier: true, any: true }],
    ['$.identity.traits.x[?@.y]', { traitKeys: [], identifier: true, any: true }],
    ['$.identity.traits.x[0:1]', { traitKeys: [], identifier: true, any: true }],
    ["$.identity.traits['x', 'y']", { traitKeys: [], identifier: true, any: true }],
    ['$.environment[?@ == $.identity.identifier]', { traitKeys: [], identifier: true, any: true }],
  ])('%s depends on what it looks at', (text, expected) => {
    const property = parseProperty(text, environment, 'EQUAL');
    expect(dependenciesOf(property)).toEqual(expected);
    expect(constantOf(property)).toBeUndefined();
  });

  test('that is blank depends on the key for PERCENTAGE_SPLIT', () => {
    expect(dependenciesOf(parseProperty('', environment, 'PERCENTAGE_SPLIT'))).toEqual({
      ...nothing,
      identifier: true,
    });
  });
});
