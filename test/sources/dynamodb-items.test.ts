import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseTrait } from '../../src/core/trait-text.js';
import { readItems } from '../../src/sources/dynamodb/read-items.js';
import { readNumber } from '../../src/sources/dynamodb/read-number.js';
import { edgeItem, edgeTrait } from '../helpers/dynamodb-server.js';
import type { EdgeItem } from '../helpers/dynamodb-server.js';

function traitsOf(item: EdgeItem): Record<string, string> | string {
  const { identities, skipped } = readItems([item]);
  const [identity] = identities;
  return identity === undefined ? (skipped[0]?.reason ?? 'nothing') : Object.fromEntries(identity.traits);
}

describe('A number', () => {
  test.each([
    ['0', '0'],
    ['-0', '0'],
    ['1', '1'],
    ['-17', '-17'],
    ['007', '7'],
    ['+5', '5'],
    ['1.0', '1.0'],
    ['1.50', '1.5'],
    ['-0.0', '0.0'],
    ['-0.5', '-0.5'],
    ['.5', '0.5'],
    ['1E+20', '100000000000000000000'],
    ['1.5E3', '1500'],
    ['-1.25e1', '-12.5'],
    ['1E-3', '0.001'],
    ['-1E-3', '-0.001'],
    ['0E+5', '0'],
    ['0E-5', '0'],
    ['120E-1', '12'],
    ['12345678901234567890123456789012345678', '12345678901234567890123456789012345678'],
    ['0.12345678901234567890123456789012345678', '0.12345678901234567890123456789012345678'],
    ['9.9999999999999999999999999999999999999E+125', `${'9'.repeat(38)}${'0'.repeat(88)}`],
    ['1E-130', `0.${'0'.repeat(129)}1`],
  ])('%s is %s', (text, expected) => {
    expect(readNumber(text)).toBe(expected);
  });

  test.each(['', '-', '.', 'E5', 'NaN', 'Infinity', '0x10', '1 ', '1_0', '1E999999999', '١'])('%j is none', (text) => {
    expect(readNumber(text)).toBeUndefined();
  });

  test('of any digits and exponent keeps its value, is whole exactly where that is, and is in the form of stored traits', () => {
    const parts = fc.record({
      digits: fc.bigInt({ min: -(10n ** 38n), max: 10n ** 38n }),
      exponent: fc.integer({ min: -168, max: 125 }),
    });
    fc.assert(
      fc.property(parts, ({ digits, exponent }) => {
        const text = readNumber(`${digits}E${exponent}`) ?? '';
        const [whole = '', fraction] = text.split('.');
        expect(text).toMatch(/^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/);
        const shift = 10n ** BigInt(fraction?.length ?? 0);
        const value = BigInt(whole + (fraction ?? ''));
        // digits × 10^exponent = value ÷ shift, without fractions.
        expect(digits * 10n ** BigInt(Math.max(0, exponent)) * shift).toBe(
          value * 10n ** BigInt(Math.max(0, -exponent)),
        );
        const isWhole = exponent >= 0 || digits % 10n ** BigInt(-exponent) === 0n;
        expect(typeof parseTrait(text)).toBe(isWhole ? 'bigint' : 'number');
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('An item', () => {
  test('gives its identity with a trait of every type that Edge has', () => {
    const traits = {
      text: { S: 'Zoë "q" \\ \n' },
      empty: { S: '' },
      '$.identity.traits.x': { S: 'path' },
      whole: { N: '12345678901234567890' },
      float: { N: '1.25' },
      yes: { BOOL: true },
      no: { BOOL: false },
      nothing: { NULL: true as const },
      ['__proto__']: { S: 'prototype' },
    };
    const { identities, skipped } = readItems([edgeItem('env', 'ann', traits, { django_id: { N: '77' } })]);
    expect(skipped).toEqual([]);
    expect(identities).toEqual([
      {
        environmentKey: 'env',
        identifier: 'ann',
        keyOverride: '77',
        traits: new Map([
          ['text', '"Zoë \\"q\\" \\\\ \\n"'],
          ['empty', '""'],
          ['$.identity.traits.x', '"path"'],
          ['whole', '12345678901234567890'],
          ['float', '1.25'],
          ['yes', 'true'],
          ['no', 'false'],
          ['__proto__', '"prototype"'],
        ]),
      },
    ]);
  });

  test.each<[string, AttributeValue]>([
    ['a list', { L: [{ S: 'a' }] }],
    ['a map', { M: { a: { S: 'a' } } }],
    ['a set of texts', { SS: ['a'] }],
    ['a set of numbers', { NS: ['1'] }],
    ['a set of binaries', { BS: [new Uint8Array([1])] }],
    ['a binary', { B: new Uint8Array([1]) }],
    ['a type that is not known', { $unknown: ['X', 1] }],
    ['a NUL character', { S: 'a\0b' }],
    ['half of a surrogate pair', { S: 'a\ud800' }],
    ['a number that is none', { N: 'one' }],
    ['a text that is too long', { S: 'x'.repeat(70_000) }],
  ])('with a trait that is %s is skipped, and says which trait it is', (_, value) => {
    const { identities, skipped } = readItems([edgeItem('env', 'ann', { fine: { S: '1' }, odd: value })]);
    expect(identities).toEqual([]);
    expect(skipped).toEqual([
      {
        where: 'composite_key "env_ann"',
        environmentKey: 'env',
        identifier: 'ann',
        reason: 'INVALID_TRAIT',
        explanation: expect.stringContaining('odd') as string,
      },
    ]);
  });

  test.each<[string, AttributeValue | undefined]>([
    ['no traits', undefined],
    ['null as its traits', { NULL: true }],
    ['an empty list of traits', { L: [] }],
  ])('with %s is an identity without traits', (_, identityTraits) => {
    const { identity_traits: _unused, ...item } = edgeItem('env', 'ann');
    expect(traitsOf(identityTraits === undefined ? item : { ...item, identity_traits: identityTraits })).toEqual({});
  });

  test.each<[string, AttributeValue]>([
    ['a text', { S: '[]' }],
    ['a list of texts', { L: [{ S: 'a' }] }],
    ['a list with a trait without a key', { L: [{ M: { trait_value: { S: 'a' } } }] }],
    ['a list with a trait whose key is a number', { L: [{ M: { trait_key: { N: '1' }, trait_value: { S: 'a' } } }] }],
    ['a list with a key that cannot be stored', { L: [edgeTrait('a\0', { BOOL: true })] }],
  ])('whose traits are %s is skipped', (_, identityTraits) => {
    expect(traitsOf(edgeItem('env', 'ann', {}, { identity_traits: identityTraits }))).toBe('INVALID_TRAIT');
  });

  test('of a repeated key the last counts, and a null at the end leaves none', () => {
    const list = [edgeTrait('a', { N: '1' }), edgeTrait('b', { N: '1' }), edgeTrait('a', { N: '2' })];
    const cleared = [...list, edgeTrait('b', { NULL: true })];
    expect(traitsOf(edgeItem('env', 'ann', {}, { identity_traits: { L: list } }))).toEqual({ a: '2', b: '1' });
    expect(traitsOf(edgeItem('env', 'ann', {}, { identity_traits: { L: cleared } }))).toEqual({ a: '2' });
  });

  test.each<[string, AttributeValue]>([
    ['a map', { M: { a: { N: '9' }, c: { BOOL: true } } }],
    ['a list', { L: [edgeTrait('a', { N: '9' }), edgeTrait('c', { BOOL: true })] }],
  ])('has system traits as %s, which win over its traits', (_, systemTraits) => {
    const item = edgeItem('env', 'ann', { a: { N: '1' }, b: { N: '2' } }, { system_traits: systemTraits });
    expect(traitsOf(item)).toEqual({ a: '9', b: '2', c: 'true' });
  });

  test('a null among the system traits hides the trait, as where Flagsmith merges them', () => {
    const item = edgeItem('env', 'ann', { a: { N: '1' } }, { system_traits: { M: { a: { NULL: true } } } });
    expect(traitsOf(item)).toEqual({});
  });

  test.each<[string, AttributeValue | undefined]>([
    ['missing', undefined],
    ['null', { NULL: true }],
    ['a number', { N: '5' }],
    ['empty', { S: '' }],
    ['of 2,001 characters', { S: 'x'.repeat(2_001) }],
    ['with a NUL character', { S: 'a\0' }],
    ['with half of a surrogate pair', { S: '\udfff' }],
  ])('whose identifier is %s is skipped', (_, identifier) => {
    const { identifier: _unused, ...item } = edgeItem('env', 'ann');
    const { identities, skipped } = readItems([identifier === undefined ? item : { ...item, identifier }]);
    expect(identities).toEqual([]);
    expect(skipped).toMatchObject([{ environmentKey: 'env', identifier: '', reason: 'INVALID_IDENTIFIER' }]);
  });

  test('may have an identifier of 2,000 characters, whatever their bytes', () => {
    const identifier = '😀'.repeat(2_000);
    expect(readItems([edgeItem('env', identifier)]).identities).toMatchObject([{ identifier }]);
  });

  test.each<[string, AttributeValue | undefined]>([
    ['without an environment', undefined],
    ['whose environment is a number', { N: '1' }],
    ['whose environment is empty', { S: '' }],
  ])('%s is skipped', (_, environmentKey) => {
    const { environment_api_key: _unused, ...item } = edgeItem('env', 'ann');
    const changed = environmentKey === undefined ? item : { ...item, environment_api_key: environmentKey };
    expect(readItems([changed]).skipped).toMatchObject([{ environmentKey: '', reason: 'INVALID_DOCUMENT' }]);
  });

  test.each<[string, AttributeValue, string | undefined]>([
    ['a number', { N: '12345678901234567890' }, '12345678901234567890'],
    ['a text', { S: '12' }, '12'],
    ['0, which Edge counts as none,', { N: '0' }, undefined],
    ['null', { NULL: true }, undefined],
  ])('whose django_id is %s has it as its other key', (_, djangoId, expected) => {
    const [identity] = readItems([edgeItem('env', 'ann', {}, { django_id: djangoId })]).identities;
    expect(identity?.identifier).toBe('ann');
    expect(identity?.keyOverride).toBe(expected);
  });

  test.each<AttributeValue>([{ N: '1.5' }, { S: 'x' }, { BOOL: true }])(
    'whose django_id is %j is skipped',
    (djangoId) => {
      expect(readItems([edgeItem('env', 'ann', {}, { django_id: djangoId })]).identities).toEqual([]);
    },
  );

  test.each([0, 1])('whose identifier another item has gives way to the one that Edge finds', (place) => {
    const others = [edgeItem('env', 'ann', { n: { N: '2' } }, { composite_key: { S: 'other' } })];
    const items = others.toSpliced(place, 0, edgeItem('env', 'ann', { n: { N: '1' } }));
    const { identities, skipped } = readItems([...items, edgeItem('env2', 'ann')]);
    expect(identities.map(({ environmentKey, traits }) => [environmentKey, traits.get('n')])).toEqual([
      ['env', '1'],
      ['env2', undefined],
    ]);
    expect(skipped).toMatchObject([{ where: 'composite_key "other"', reason: 'INVALID_IDENTIFIER' }]);
  });

  test('of any content is an identity exactly where an oracle finds nothing wrong with it', () => {
    fc.assert(
      fc.property(anyItem, ({ item, expected }) => {
        expect(traitsOf(item)).toEqual(expected);
      }),
      { numRuns: 1_000 },
    );
  });
});

interface Sample {
  readonly value: AttributeValue;
  /** What is expected of it: its JSON text, null for no trait, undefined for one that cannot be taken. */
  readonly text: string | null | undefined;
}

const anySample = fc.oneof<fc.Arbitrary<Sample>[]>(
  fc.string({ unit: 'binary' }).map((text) => ({
    value: { S: text },
    text: text.includes('\0') ? undefined : JSON.stringify(text),
  })),
  fc
    .bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n })
    .map((whole) => ({ value: { N: `${whole}` }, text: `${whole}` })),
  fc.tuple(fc.integer(), fc.integer({ min: 1, max: 999 })).map(([whole, thousandths]) => {
    const text = `${whole}.${String(thousandths).padStart(3, '0').replace(/0+$/, '')}`;
    return { value: { N: text }, text };
  }),
  fc.boolean().map((truth) => ({ value: { BOOL: truth }, text: truth ? 'true' : 'false' })),
  fc.constant({ value: { NULL: true as const }, text: null }),
  fc.constantFrom<Sample>({ value: { L: [] }, text: undefined }, { value: { SS: ['a'] }, text: undefined }),
);

const anyTraits = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', '$.x', ''), anySample), { maxLength: 4 });

/** An item with its traits as they must be read, or the reason for which it must be skipped. */
const anyItem = fc.record({ own: anyTraits, system: anyTraits, isMap: fc.boolean() }).map(({ own, system, isMap }) => {
  const map = Object.fromEntries(system);
  const winners: [string, Sample][] = isMap ? Object.entries(map) : system;
  const systemTraits = isMap
    ? { M: Object.fromEntries(winners.map(([key, { value }]) => [key, value])) }
    : { L: winners.map(([key, { value }]) => edgeTrait(key, value)) };
  const item = edgeItem(
    'env',
    'ann',
    {},
    {
      identity_traits: { L: own.map(([key, { value }]) => edgeTrait(key, value)) },
      system_traits: systemTraits,
    },
  );
  const all = [...own, ...winners];
  const last = new Map(all.map(([key, { text }]) => [key, text]));
  const expected = all.some(([, { text }]) => text === undefined)
    ? 'INVALID_TRAIT'
    : Object.fromEntries([...last].filter(([, text]) => text !== null));
  return { item, expected };
});
