import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AtomIndex } from '../../src/core/atom-index/atom-index.js';
import type { AtomDefinition } from '../../src/core/atoms.js';
import { formatTrait, splitTraits } from '../../src/core/trait-text.js';
import type { TraitValue } from '../../src/core/values.js';
import { groupEvaluator } from '../../src/indexing/evaluate-range.js';
import { viewOf } from '../../src/indexing/writer-catalog.js';
import type { Environment } from '../../src/storage/environments.js';
import { TEXT_ARRAY } from '../../src/storage/environments.js';
import { atomDefinitions } from '../helpers/atom-definitions.js';
import { createFixture, type Fixture } from '../helpers/fixture.js';
import { traitValues } from '../helpers/trait-values.js';

const ATOM_ID = 1;
const FIRST = 2 ** 16;
/** Identities with an ordinary value for each odd one, at most: enough that a few odd ones are read by themselves. */
const ORDINARY = 150;

let fixture: Fixture;
let environment: Environment;
beforeAll(async () => {
  fixture = await createFixture();
  environment = await fixture.environment({ ordinalMode: 'given' });
});
afterAll(() => fixture.drop());

/** Values whose bare texts are those of others, or nearly. */
const ambiguous: fc.Arbitrary<TraitValue> = fc.constantFrom<TraitValue[]>(
  ...['', '1', '1.0', '-0', '007', '1e3', 'true', 'True', 'null', '[1]', '{"a": 1}', '[', '"a"', 'a\nb', '\n', 'a\n'],
  ...[1n, 0n, -1n, 10n ** 30n, 1, 1.5, true, false, null, [1n], { a: 1n }, 'a'.repeat(255), 'é\n'.repeat(200)],
);
const values = fc.oneof({ arbitrary: ambiguous, weight: 4 }, { arbitrary: traitValues, weight: 1 });
const missing = fc.constant(undefined);
const people = fc
  .record({
    odd: fc.array(fc.oneof({ arbitrary: values, weight: 5 }, { arbitrary: missing, weight: 1 }), { maxLength: 6 }),
    ordinary: fc.oneof(fc.constantFrom<TraitValue[]>('a', 'ab', '10', 2n, true), missing),
    count: fc.constantFrom(0, ORDINARY, 6 * ORDINARY),
  })
  .map(({ odd, ordinary, count }) => [...odd, ...Array.from({ length: count }, () => ordinary), ...odd]);

const property = { kind: 'trait', property: 't' } as const;
const rest = { list: '', segmentKey: '' } as const;
const litestar = fc
  .record({
    operator: fc.constantFrom('eq', 'gt', 'in', 'contains'),
    operand: fc.constantFrom('1', '"1"', '["1", 1]', '"a"', 'true'),
  })
  .map((test) => ({ dialect: 'litestar' as const, ...test, ...property, ...rest }) satisfies AtomDefinition);
const mozhno = fc
  .record({
    operator: fc.constantFrom('eq', 'ne', 'gt', 'in'),
    operand: fc.constantFrom('["1"]', '["true", "a"]', '["1", "2"]'),
  })
  .map((test) => ({ dialect: 'mozhno' as const, ...test, ...property, ...rest }) satisfies AtomDefinition);
const flagsmith = atomDefinitions(fc.constant(property));
const definitions = fc.oneof(flagsmith, flagsmith, litestar, mozhno);

async function store(traits: readonly string[]): Promise<void> {
  const { sql } = fixture.database;
  await sql`delete from identity where environment_id = ${environment.id}`;
  await sql`
    insert into identity (environment_id, id, identifier, traits)
    select ${environment.id}, ${FIRST}::bigint + place, 'user-' || place, text::jsonb
    from unnest(${sql.array([...traits], TEXT_ARRAY)}::text[]) with ordinality as stored (text, place)`;
}

function membersByRow(definition: AtomDefinition, traits: readonly string[]): number[] {
  const index = new AtomIndex(environment);
  index.add(ATOM_ID, definition);
  const ordinals = traits.map((_, row) => FIRST + row + 1);
  return ordinals.filter((id, row) => {
    const state = { identifier: `user-${row + 1}`, keyOverride: undefined, traits: splitTraits(traits[row] ?? '{}') };
    return index.evaluate(ATOM_ID, viewOf(environment, id, state));
  });
}

describe('an atom on one trait, evaluated over a column', () => {
  it('is true of the same identities as of each by itself, whatever values a trait has', async () => {
    const rows = people.map((all) => all.map((value) => (value === undefined ? '{}' : `{"t": ${formatTrait(value)}}`)));
    await fc.assert(
      fc.asyncProperty(rows, fc.array(definitions, { minLength: 1, maxLength: 8 }), async (traits, atoms) => {
        const stored = traits.filter((text) => !text.includes('\\u0000') && !/\\ud[89a-f]/i.test(text));
        await store(stored);
        const { sql } = fixture.database;
        const expected = atoms.map((definition) => membersByRow(definition, stored));
        const ids = atoms.map((definition, id) => ({ id: ATOM_ID + id, definition }));
        for (const group of [ids, ...ids.map((atom) => [atom])]) {
          const evaluate = await groupEvaluator(sql, environment, group);
          // Once more, as the next range would be: by what the first one told.
          for (const from of [0, FIRST])
            expect((await evaluate(sql, from, 2 * FIRST)).map((set) => [...set])).toEqual(
              group.map(({ id }) => expected[id - ATOM_ID]),
            );
        }
      }),
      { numRuns: 60 },
    );
  });
});
