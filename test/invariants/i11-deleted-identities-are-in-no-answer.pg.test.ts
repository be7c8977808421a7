import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { trim } from '../../src/indexing/fold.js';
import { checkMembership } from '../../src/query/check.js';
import type { Environment, OrdinalMode } from '../../src/storage/environments.js';
import { readIdentities } from '../../src/storage/identities.js';
import {
  applyTo,
  buildAll,
  condition,
  createApplier,
  createFixture,
  createIndex,
  definition,
  type Fixture,
  foldAll,
  membersOf,
  putSegment,
  readTruth,
  remove,
  selectSegment,
  upsert,
} from '../helpers/fixture.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

/** Segments that are true of what is there and of what is missing. */
async function prepare(environment: Environment): Promise<void> {
  await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'EQUAL', 'pro')]));
  await putSegment(fixture.database, environment, 'no-age', definition([condition('age', 'IS_NOT_SET')]));
  await putSegment(fixture.database, environment, 'everyone', definition([]));
  await putSegment(
    fixture.database,
    environment,
    'named',
    definition([condition('$.identity.identifier', 'REGEX', '')]),
  );
  await buildAll(fixture.database, environment);
}

const KEYS = ['pro', 'no-age', 'everyone', 'named'];

describe.each<OrdinalMode>(['allotted', 'given'])(
  'I11: an identity that was deleted is in no answer at or after that revision (%s ordinals)',
  (ordinalMode) => {
    let environment: Environment;
    const idOf = (id: number): number | undefined => (ordinalMode === 'given' ? id : undefined);
    beforeEach(async () => {
      environment = await fixture.environment({ ordinalMode });
      await prepare(environment);
      await applyTo(
        createApplier(fixture.database),
        environment,
        upsert('a', { plan: '"pro"' }, idOf(1)),
        upsert('b', { plan: '"pro"' }, idOf(2)),
      );
    });

    it('of any kind of rule, in memory that follows and in memory loaded anew, before and after a fold', async () => {
      const followed = createIndex(fixture.database, environment);
      for (const key of KEYS) expect((await selectSegment(fixture.database, followed, key)).set.size).toBe(2);
      const { revisions } = await applyTo(createApplier(fixture.database), environment, remove('a'));
      for (let pass = 0; pass < 2; pass++) {
        for (const index of [followed, createIndex(fixture.database, environment)]) {
          for (const key of KEYS)
            expect([key, (await selectSegment(fixture.database, index, key)).set.size]).toEqual([key, 1]);
          await expect(
            checkMembership(fixture.database, index, { kind: 'identifier', identifier: 'a' }, KEYS, {
              level: 'latest',
            }),
          ).rejects.toMatchObject({ reason: 'IDENTITY_NOT_FOUND' });
        }
        await foldAll(fixture.database, environment);
      }
      const before = await selectSegment(fixture.database, followed, 'pro', {
        level: 'exact',
        revision: (revisions.get(environment.key) ?? 0) - 1,
      });
      expect(before.set.size).toBe(2);
      const identifiers = (await readIdentities(fixture.database.sql, environment.id, [...before.set], false)).map(
        ({ identifier }) => identifier,
      );
      expect(identifiers).toEqual(['a', 'b']);
    });

    it('until it is created again, as another identity with none of its traits', async () => {
      const applier = createApplier(fixture.database);
      const [earlier] = (await readTruth(fixture.database, environment)).identities;
      await applyTo(applier, environment, remove('a'));
      await applyTo(applier, environment, { ...upsert('a', { age: '1' }, idOf(3)), kind: 'set_traits' });
      const again = (await readTruth(fixture.database, environment)).identities.find(
        ({ identifier }) => identifier === 'a',
      );
      expect(again?.id).not.toBe(earlier?.id);
      expect([...(again?.traits ?? [])]).toEqual([['age', '1']]);
      expect(await membersOf(fixture.database, environment, 'pro')).toEqual(['b']);
      expect(await membersOf(fixture.database, environment, 'everyone')).toEqual(['a', 'b']);
    });

    it('also when it came and went within one batch, or was deleted twice, or never was there', async () => {
      const applier = createApplier(fixture.database);
      await applyTo(
        applier,
        environment,
        upsert('c', { plan: '"pro"' }, idOf(3)),
        remove('c', idOf(3)),
        remove('a', idOf(1)),
        remove('a', idOf(1)),
        remove('nobody'),
      );
      for (const key of KEYS) expect(await membersOf(fixture.database, environment, key)).toEqual(['b']);
      const { unchanged, revisions } = await applyTo(applier, environment, remove('a'), remove('nobody'));
      expect([unchanged, revisions.get(environment.key)]).toEqual([
        2,
        (await readTruth(fixture.database, environment)).revision,
      ]);
    });

    it('and its tombstone goes only when no log row and no held stream is older', async () => {
      const applier = createApplier(fixture.database);
      const tombstones = async (): Promise<number> =>
        (
          await fixture.database
            .sql`select from identity where environment_id = ${environment.id} and deleted_revision is not null`
        ).length;
      await applyTo(applier, environment, remove('a'));
      await foldAll(fixture.database, environment);
      await trim(fixture.database, environment.id, 3_600_000);
      expect(await tombstones()).toBe(1);
      await applyTo(applier, environment, upsert('d', {}, idOf(4)));
      await foldAll(fixture.database, environment);
      const { revision } = await readTruth(fixture.database, environment);
      await fixture.database
        .sql`insert into held_revision values (${environment.id}, 'stream', ${revision - 2}, now() + interval '1 minute')`;
      await trim(fixture.database, environment.id, -60_000);
      expect(await tombstones()).toBe(1);
      await fixture.database
        .sql`update held_revision set held_until = now() - interval '1 second' where environment_id = ${environment.id}`;
      await trim(fixture.database, environment.id, -60_000);
      expect(await tombstones()).toBe(0);
    });
  },
);
