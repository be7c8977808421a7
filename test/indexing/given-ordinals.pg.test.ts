import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildAtom } from '../../src/indexing/build.js';
import { inTransaction } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import { insertIdentities, lockIdentities, patchIdentities, purgeTombstones } from '../../src/storage/identities.js';
import {
  applyTo,
  buildAll,
  buildOptions,
  condition,
  createApplier,
  createFixture,
  createIndex,
  definition,
  type Fixture,
  membersOf,
  putSegment,
  readTruth,
  remove,
  selectSegment,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

let fixture: Fixture;
let environment: Environment;
const pro = { plan: '"pro"' };
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
beforeEach(async () => {
  environment = await fixture.environment({ ordinalMode: 'given' });
  await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'EQUAL', 'pro')]));
  await putSegment(
    fixture.database,
    environment,
    'named',
    definition([condition('$.identity.identifier', 'REGEX', 'a')]),
  );
  await buildAll(fixture.database, environment);
  await applyTo(createApplier(fixture.database), environment, upsert('a', pro, 5), upsert('b', {}, 6));
});

async function states(): Promise<[number, string, Record<string, string>][]> {
  return (await readTruth(fixture.database, environment)).identities.map(({ id, identifier, traits }) => [
    id,
    identifier,
    Object.fromEntries(traits),
  ]);
}

async function apply(...changes: Parameters<typeof applyTo>[2][]): Promise<void> {
  await applyTo(createApplier(fixture.database), environment, ...changes);
}

describe('an environment that is given its ordinals', () => {
  it('takes an identifier with another id as a deletion and a creation, with none of its traits', async () => {
    await apply(setTraits('a', { n: '1' }, 7));
    expect(await states()).toEqual([
      [6, 'b', {}],
      [7, 'a', { n: '1' }],
    ]);
    expect([...(await selectSegment(fixture.database, createIndex(fixture.database, environment), 'pro')).set]).toEqual(
      [],
    );
    expect([
      ...(await selectSegment(fixture.database, createIndex(fixture.database, environment), 'named')).set,
    ]).toEqual([7]);
  });

  it('takes an id with another identifier as a new name', async () => {
    await apply(setTraits('c', { n: '1' }, 5));
    expect(await states()).toEqual([
      [5, 'c', { n: '1', ...pro }],
      [6, 'b', {}],
    ]);
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual(['c']);
    expect(await membersOf(fixture.database, environment, 'named')).toEqual([]);
  });

  it('lets two identities swap their names in one batch', async () => {
    await apply(upsert('b', pro, 5), upsert('a', {}, 6));
    expect(await states()).toEqual([
      [5, 'b', pro],
      [6, 'a', {}],
    ]);
    expect(await membersOf(fixture.database, environment, 'named')).toEqual(['a']);
  });

  it('brings a tombstone back to life with what comes, and nothing of what was', async () => {
    await apply(remove('a', 5));
    await apply(setTraits('again', { n: '1' }, 5));
    expect(await states()).toEqual([
      [5, 'again', { n: '1' }],
      [6, 'b', {}],
    ]);
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual([]);
  });

  it('finds an identity that is there by its identifier alone', async () => {
    await apply(setTraits('a', { plan: null }), remove('b'));
    expect(await states()).toEqual([[5, 'a', {}]]);
  });

  it('takes ids far apart, 0 and the largest among them', async () => {
    await apply(
      upsert('zero', pro, 0),
      upsert('largest', pro, Number.MAX_SAFE_INTEGER),
      upsert('part', pro, 2 ** 32 + 1),
    );
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual(['a', 'largest', 'part', 'zero']);
    await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'REGEX', 'p')]));
    await buildAll(fixture.database, environment);
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual(['a', 'largest', 'part', 'zero']);
  });

  it('retries where another writer takes the name that it gives', async () => {
    const [one, other] = [createApplier(fixture.connect()), createApplier(fixture.connect())];
    for (let round = 0; round < 15; round++) {
      await Promise.all([
        applyTo(one, environment, upsert(`n${round}`, pro, 5)),
        applyTo(other, environment, upsert(`n${round}`, pro, 100 + round), upsert('b', {}, 6)),
      ]);
    }
    const all = await states();
    expect(new Set(all.map(([, identifier]) => identifier)).size).toBe(all.length);
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual(
      all
        .filter(([, , traits]) => traits['plan'] === '"pro"')
        .map(([, identifier]) => identifier)
        .sort(),
    );
  });

  it('does not delete by an identifier what has come to another in the same batch', async () => {
    await apply(upsert('a', { n: '0' }, 5));
    await apply(remove('a', 5), upsert('c', { n: '1' }, 5), remove('a'));
    expect((await states()).filter(([id]) => id === 5)).toEqual([[5, 'c', { n: '1' }]]);
  });

  it('keeps a tombstone from a purge while a writer brings it back, and the purge does not wait for the writer', async () => {
    await apply(remove('a', 5), remove('b', 6));
    await inTransaction(fixture.connect(), { isolation: 'read committed' }, async (tx) => {
      const [row] = await lockIdentities(tx, environment.id, { identifiers: [], ids: [5] });
      await purgeTombstones(fixture.database.sql, environment.id, 2 ** 40);
      await patchIdentities(tx, environment.id, [{ kind: 'free', id: 5, version: row?.version ?? '' }]);
      await insertIdentities(tx, environment.id, [{ id: 5, identifier: 'back', traits: '{}' }]);
    });
    expect(await states()).toEqual([[5, 'back', {}]]);
    expect(await fixture.database.sql`select from identity where environment_id = ${environment.id}`).toHaveLength(1);
  }, 10_000);

  it('refuses a new identity without an id, naming the change', async () => {
    await expect(apply(setTraits('a', { n: '1' }), upsert('new'))).rejects.toMatchObject({
      reason: 'IDENTITY_ID_REQUIRED',
      metadata: { index: '1' },
    });
    expect(await states()).toHaveLength(2);
  });

  it.each([1, 3, 8])(
    'builds an atom over ordinals on both sides of 2^32 in ranges of %i chunks',
    async (rangeChunks) => {
      await apply(...[2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 70_000].map((id) => upsert(`user-${id}`, pro, id)));
      await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'REGEX', 'p')]));
      const building = await fixture.database.sql<
        { id: number }[]
      >`select id from atom where environment_id = ${environment.id} and state = 'building'`;
      for (const { id } of building)
        await buildAtom(fixture.database, environment, id, { ...buildOptions(), rangeChunks });
      const { served, set } = await selectSegment(fixture.database, createIndex(fixture.database, environment), 'pro');
      expect([served.isPending, [...set]]).toEqual([false, [5, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 70_000]]);
    },
  );
});

describe('an environment that allots its ordinals', () => {
  it('refuses an id, naming the change, and allots dense ones', async () => {
    const allotted = await fixture.environment();
    const applier = createApplier(fixture.database);
    await expect(applyTo(applier, allotted, upsert('a'), upsert('b', {}, 5))).rejects.toMatchObject({
      reason: 'IDENTITY_ID_NOT_ALLOWED',
      metadata: { index: '1' },
    });
    await applyTo(applier, allotted, upsert('a'), upsert('b'));
    await applyTo(applier, allotted, upsert('b', pro), upsert('c'));
    expect(
      (await readTruth(fixture.database, allotted)).identities.map(({ id, identifier }) => [id, identifier]),
    ).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ]);
  });
});
