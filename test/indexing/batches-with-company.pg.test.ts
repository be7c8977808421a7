import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RefusedChange } from '../../src/indexing/applier.js';
import { quarantine, readQuarantine } from '../../src/storage/quarantine.js';
import {
  createApplier,
  createFixture,
  type Fixture,
  readTruth,
  remove,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

const HUGE = { text: JSON.stringify('x'.repeat(2 ** 20)) };

describe('a batch with work alongside', () => {
  it('leaves out what cannot be applied, tells why by index, and applies the rest', async () => {
    const environment = await fixture.environment({ ordinalMode: 'given' });
    const heard: RefusedChange[] = [];
    const { key } = environment;
    await createApplier(fixture.database).apply(
      [
        { environmentKey: key, index: 10, change: upsert('a', {}, 1) },
        { environmentKey: 'nowhere', index: 11, change: upsert('b', {}, 2) },
        { environmentKey: key, index: 12, change: upsert('c') },
        { environmentKey: key, index: 13, change: upsert('a', HUGE, 1) },
        { environmentKey: key, index: 14, change: upsert('d', {}, 4) },
      ],
      {
        alongside: (_tx, refused) => {
          heard.push(...refused);
          return Promise.resolve();
        },
      },
    );
    expect(heard.map(({ index, environmentKey, error }) => [index, environmentKey, error.reason])).toEqual([
      [11, 'nowhere', 'ENVIRONMENT_NOT_FOUND'],
      [12, key, 'IDENTITY_ID_REQUIRED'],
      [13, key, 'INVALID_TRAIT'],
    ]);
    const { identities } = await readTruth(fixture.database, environment);
    expect(identities.map(({ id, identifier, traits }) => [id, identifier, traits.size])).toEqual([
      [1, 'a', 0],
      [4, 'd', 0],
    ]);
  });

  it('leaves out an id where ordinals are allotted', async () => {
    const environment = await fixture.environment();
    const refused: RefusedChange[] = [];
    await createApplier(fixture.database).apply(
      [upsert('a', {}, 7), upsert('b')].map((change, index) => ({ environmentKey: environment.key, index, change })),
      { alongside: (_tx, those) => Promise.resolve(void refused.push(...those)) },
    );
    expect(refused.map(({ index, error }) => [index, error.reason])).toEqual([[0, 'IDENTITY_ID_NOT_ALLOWED']]);
    expect((await readTruth(fixture.database, environment)).identities.map(({ id }) => id)).toEqual([1]);
  });

  it('commits nothing of the batch where the work alongside fails (I2)', async () => {
    const environment = await fixture.environment();
    const before = await readTruth(fixture.database, environment);
    const change = { environmentKey: environment.key, index: 0, change: upsert('a') };
    const alongside = () => Promise.reject(new Error('fenced off'));
    await expect(createApplier(fixture.database).apply([change], { alongside })).rejects.toThrow('fenced off');
    expect(await readTruth(fixture.database, environment)).toEqual(before);
  });

  it('runs the work alongside of an empty batch', async () => {
    let ran = 0;
    const alongside = () => {
      ran++;
      return Promise.resolve();
    };
    await createApplier(fixture.database).apply([], { alongside });
    expect(ran).toBe(1);
  });
});

describe('an identity in quarantine', () => {
  it.each([
    ['a full state', upsert('ann', { plan: '"pro"' }), 0],
    ['a delete', remove('ann'), 0],
    ['a part of its state', setTraits('ann', { plan: '"pro"' }), 1],
    ['a full state of another', upsert('bob'), 1],
  ])('after %s', async (_what, change, left) => {
    const environment = await fixture.environment();
    const applier = createApplier(fixture.database);
    await applier.apply([{ environmentKey: environment.key, index: 0, change: upsert('ann') }]);
    await quarantine(fixture.database.sql, [
      { environmentKey: environment.key, identifier: 'ann' },
      { environmentKey: 'nowhere', identifier: 'ann' },
    ]);
    await applier.apply([{ environmentKey: environment.key, index: 0, change }]);
    expect((await readQuarantine(fixture.database.sql, environment.id, 10)).count).toBe(left);
  });
});
