import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkIdentifier } from '../../src/core/check-identifier.js';
import { formatTrait, parseTrait } from '../../src/core/trait-text.js';
import { decodeTraits } from '../../src/indexing/decode.js';
import { OrdinalSet } from '../../src/core/bitmap.js';
import { readPages } from '../../src/query/member-pages.js';
import {
  applyTo,
  buildAll,
  condition,
  createApplier,
  createFixture,
  createIndex,
  definition,
  type Fixture,
  membersOf,
  putSegment,
  readTruth,
  selectSegment,
  upsert,
} from '../helpers/fixture.js';
import { runs } from '../helpers/random-segments.js';
import { traitValues } from '../helpers/trait-values.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

/** Values that jsonb can hold: no NUL in any text. */
const storable = traitValues.filter((value) => !formatTrait(value).includes('\\u0000'));

describe('the text of a trait', () => {
  it('is the text that Postgres gives it as jsonb, for any value', async () => {
    const values = fc.sample(storable, runs(400));
    const texts = values.map(formatTrait);
    const rows = await fixture.database.sql<{ text: string }[]>`
      select (value::jsonb)::text as text from unnest(${fixture.database.sql.array(texts, 1009)}::text[]) with ordinality as given (value, n) order by n`;
    expect(rows.map(({ text }) => text)).toEqual(texts);
  });
});

describe('traits that databases lose', () => {
  const values = {
    one: 1,
    exact: 1e16,
    tiny: 5e-324,
    large: 1.7976931348623157e308,
    third: 1 / 3,
    integer: 1n,
    huge: 10n ** 400n,
    negative: -(2n ** 70n),
  };

  it('come back as they were: floats as floats, integers whole', async () => {
    const environment = await fixture.environment();
    const texts = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, formatTrait(value)]));
    await applyTo(createApplier(fixture.database), environment, upsert('a', texts));
    const [identity] = (await readTruth(fixture.database, environment)).identities;
    expect(Object.fromEntries([...(identity?.traits ?? [])].map(([key, text]) => [key, parseTrait(text)]))).toEqual(
      values,
    );
  });

  it('are told apart by operators, in atoms that are built and in atoms that follow', async () => {
    const environment = await fixture.environment();
    await putSegment(fixture.database, environment, 'text-1.0', definition([condition('n', 'REGEX', '1\\.0')]));
    await putSegment(
      fixture.database,
      environment,
      'huge',
      definition([condition('n', 'GREATER_THAN', '9'.repeat(400))]),
    );
    const changes = [
      upsert('float', { n: '1.0' }),
      upsert('integer', { n: '1' }),
      upsert('huge', { n: formatTrait(10n ** 400n) }),
    ];
    await applyTo(createApplier(fixture.database), environment, ...changes.slice(0, 2));
    await buildAll(fixture.database, environment);
    await applyTo(createApplier(fixture.database), environment, ...changes);
    expect(await membersOf(fixture.database, environment, 'text-1.0')).toEqual(['float']);
    expect(await membersOf(fixture.database, environment, 'huge')).toEqual(['huge']);
  });

  it('are refused with a reason where they cannot be kept: NUL, half a surrogate pair, NaN, infinities', () => {
    const text = (value: string) => ({
      $typeName: 'rollcall.v1.TraitValue' as const,
      kind: { case: 'stringValue' as const, value },
    });
    const float = (value: number) => ({
      $typeName: 'rollcall.v1.TraitValue' as const,
      kind: { case: 'floatValue' as const, value },
    });
    for (const traits of [
      { t: text('a\0b') },
      { t: text('\uD800') },
      { 'k\0': text('') },
      { '\uDC00': text('') },
      { t: float(NaN) },
      { t: float(Infinity) },
      { t: float(-Infinity) },
    ]) {
      expect(() => decodeTraits(traits)).toThrow(expect.objectContaining({ reason: 'INVALID_TRAIT' }));
    }
    expect(decodeTraits({ t: text('\u{1F600}'), f: float(-0) })).toEqual(
      new Map([
        ['t', '"\u{1F600}"'],
        ['f', '0.0'],
      ]),
    );
  });
});

/** As many pictures in an order that does not compress. */
function emoji(count: number): string {
  let state = 1;
  const next = (): number => (state = (state * 48_271) % 2_147_483_647);
  return Array.from({ length: count }, () => String.fromCodePoint(0x1_f300 + (next() % 700))).join('');
}

describe('identifiers', () => {
  const odd = [
    emoji(2000),
    '\u{1F600}'.repeat(2000),
    'x'.repeat(2000),
    'line\nbreak',
    '\n',
    '\u0002',
    '\u0002abc',
    'quote\'"\\',
    'percent%s',
    '{"a":1}',
    ' ',
    'é',
    'e\u0301',
    'NULL',
    '\u00e9\n',
  ];

  it('of any length and any characters are kept apart, listed, looked up and deleted', async () => {
    const environment = await fixture.environment();
    await putSegment(fixture.database, environment, 'everyone', definition([]));
    await putSegment(
      fixture.database,
      environment,
      'emoji',
      definition([condition('$.identity.identifier', 'CONTAINS', emoji(3))]),
    );
    await buildAll(fixture.database, environment);
    odd.forEach(checkIdentifier);
    const applier = createApplier(fixture.database);
    await applyTo(applier, environment, ...odd.map((identifier) => upsert(identifier)), upsert('plain'));
    await applyTo(applier, environment, ...odd.map((identifier) => upsert(identifier, { n: '1' })));
    const all = [...odd, 'plain'];
    expect((await readTruth(fixture.database, environment)).identities.map(({ identifier }) => identifier)).toEqual(
      all,
    );
    expect(await membersOf(fixture.database, environment, 'emoji')).toEqual([odd[0]]);
    const { set } = await selectSegment(fixture.database, createIndex(fixture.database, environment), 'everyone');
    for (const [members, expected] of [
      [set, all],
      [OrdinalSet.of([set.at(all.length - 1) ?? 0]), ['plain']],
    ] as const) {
      for await (const page of readPages(fixture.database, environment.id, {
        revision: 1,
        set: members,
        after: -1,
        limit: 100,
        includeTraits: false,
        signal: new AbortController().signal,
      })) {
        if (page.kind === 'listed') expect(page.identifiers).toEqual(expected);
        else expect(page.kind === 'packed' && page.bytes.toString()).toBe('plain\n');
      }
    }
    await applyTo(
      applier,
      environment,
      ...odd.map((identifier) => ({ kind: 'delete' as const, identifier, traits: new Map() })),
    );
    expect(await membersOf(fixture.database, environment, 'everyone')).toEqual(['plain']);
  });

  it('are refused when empty, of 2,001 characters, or with what Postgres cannot hold', () => {
    for (const identifier of ['', '\u{1F600}'.repeat(2001), 'a\0', '\uD800']) {
      expect(() => checkIdentifier(identifier)).toThrow(expect.objectContaining({ reason: 'INVALID_IDENTIFIER' }));
    }
  });
});
