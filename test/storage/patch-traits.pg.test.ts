import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { formatTrait, joinTraits, splitTraits } from '../../src/core/trait-text.js';
import { inTransaction } from '../../src/storage/database.js';
import { findIdentities, insertIdentities, patchIdentities, readIdentities } from '../../src/storage/identities.js';
import { createTestDatabase, type TestDatabase } from '../helpers/postgres.js';
import { traitValues } from '../helpers/trait-values.js';

const ENVIRONMENT = 7;
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

beforeEach(async () => {
  await database.db.sql`delete from identity`;
});

afterAll(() => database.drop());

const withoutNul = (text: string): string => text.replaceAll('\\u0000', '');
const traitTexts = fc.dictionary(
  fc.string({ unit: 'grapheme' }).map((key) => key.replaceAll('\0', '')),
  traitValues.map((value) => withoutNul(formatTrait(value))),
  { maxKeys: 6, noNullPrototype: true },
);

it('a patch removes and sets what it names, to the digit, and leaves the rest', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(traitTexts, traitTexts), { minLength: 1, maxLength: 5 }), async (cases) => {
      await database.db.sql`delete from identity`;
      const rows = cases.map(([before], index) => ({
        id: index + 1,
        identifier: `user-${index}`,
        traits: joinTraits(new Map(Object.entries(before))),
      }));
      await insertIdentities(database.db.sql, ENVIRONMENT, rows);
      const removedOf = (before: object): string[] => Object.keys(before).filter((_key, place) => place % 2 === 0);
      const versions = await versionsOf(ENVIRONMENT);
      await inTransaction(database.db, { isolation: 'read committed' }, (tx) =>
        patchIdentities(
          tx,
          ENVIRONMENT,
          cases.map(([before, set], index) => ({
            kind: 'traits',
            id: index + 1,
            version: versions.get(index + 1) ?? '',
            removed: removedOf(before),
            set: joinTraits(new Map(Object.entries(set))),
          })),
        ),
      );
      const stored = await readIdentities(
        database.db.sql,
        ENVIRONMENT,
        rows.map(({ id }) => id),
        true,
      );
      const expected = cases.map(([before, set]) => {
        const removed = new Set(removedOf(before));
        return new Map([...Object.entries(before).filter(([key]) => !removed.has(key)), ...Object.entries(set)]);
      });
      expect(stored.map(({ traits }) => splitTraits(traits))).toEqual(expected);
    }),
  );
});

it('a patch of a version that is gone changes nothing, and of one environment nothing of another', async () => {
  for (const environment of [ENVIRONMENT, ENVIRONMENT + 1])
    await insertIdentities(database.db.sql, environment, [{ id: 1, identifier: 'a', traits: '{"x": 1}' }]);
  const version = (await versionsOf(ENVIRONMENT)).get(1) ?? '';
  const patch = (set: string) =>
    patchIdentities(database.db.sql, ENVIRONMENT, [{ kind: 'traits', id: 1, version, removed: [], set }]);
  expect([await patch('{"x": 1.0}'), await patch('{"x": 2}')]).toEqual([1, 0]);
  expect(
    await patchIdentities(database.db.sql, ENVIRONMENT + 2, [
      { kind: 'traits', id: 1, version, removed: [], set: '{"x": 3}' },
    ]),
  ).toBe(0);
  const [patched] = await readIdentities(database.db.sql, ENVIRONMENT, [1], true);
  const [other] = await readIdentities(database.db.sql, ENVIRONMENT + 1, [1], true);
  expect([patched?.traits, other?.traits]).toEqual(['{"x": 1.0}', '{"x": 1}']);
});

async function versionsOf(environmentId: number): Promise<ReadonlyMap<number, string>> {
  const wanted = { identifiers: [], ids: Array.from({ length: 9 }, (_, index) => index + 1) };
  const found = await findIdentities(database.db.sql, environmentId, wanted);
  return new Map(found.map(({ id, version }) => [id, version]));
}
