import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CommittedRevision, EnvironmentChange } from '../../src/indexing/applier.js';
import { Applier } from '../../src/indexing/applier.js';
import type { Environment } from '../../src/storage/environments.js';
import { readHeads } from '../../src/storage/environments.js';
import {
  buildAll,
  condition,
  createFixture,
  definition,
  type Fixture,
  membersOf,
  putSegment,
  readTruth,
  upsert,
} from '../helpers/fixture.js';
import { changes, checkProperty } from '../helpers/random-segments.js';

const ENVIRONMENTS = 5;
let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

const drawn = fc.array(fc.tuple(fc.nat({ max: ENVIRONMENTS - 1 }), changes(6, undefined)), { maxLength: 40 });

/** Environments with the same segment, built. */
async function environments(): Promise<Environment[]> {
  const made: Environment[] = [];
  for (let place = 0; place < ENVIRONMENTS; place++) {
    const environment = await fixture.environment();
    await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'EQUAL', 'pro')]));
    await buildAll(fixture.database, environment);
    made.push(environment);
  }
  return made;
}

function batchOf(
  made: readonly Environment[],
  all: readonly (readonly [number, EnvironmentChange['change']])[],
): EnvironmentChange[] {
  return all.map(([place, change], index) => ({ index, environmentKey: made[place]?.key ?? '', change }));
}

describe('a batch of many environments', () => {
  it('leaves in each what its changes alone leave there, with the same flips', async () => {
    await checkProperty(
      fc.asyncProperty(fc.array(drawn, { minLength: 1, maxLength: 3 }), async (batches) => {
        const [together, apart] = [await environments(), await environments()];
        const flips = { together: [] as CommittedRevision[], apart: [] as CommittedRevision[] };
        const appliers = {
          together: new Applier(fixture.database, (revision) => flips.together.push(revision)),
          apart: new Applier(fixture.database, (revision) => flips.apart.push(revision)),
        };
        for (const all of batches) {
          const { unchanged } = await appliers.together.apply(batchOf(together, all));
          let unchangedApart = 0;
          for (let place = 0; place < ENVIRONMENTS; place++) {
            const own = batchOf(apart, all).filter(({ environmentKey }) => environmentKey === apart[place]?.key);
            unchangedApart += (await appliers.apart.apply(own)).unchanged;
          }
          expect(unchanged).toBe(unchangedApart);
        }
        for (const [place, environment] of together.entries()) {
          const other = apart[place];
          if (other === undefined) throw new Error('as many of both');
          const ofBoth = [environment, other].map(async (each) =>
            (await readTruth(fixture.database, each)).identities.map(({ id, identifier, traits }) => ({
              id,
              identifier,
              traits,
            })),
          );
          const [here, there] = await Promise.all(ofBoth);
          expect(here).toEqual(there);
          const flipsOf = (revisions: readonly CommittedRevision[], id: number) =>
            revisions.filter(({ environmentId }) => environmentId === id).map((revision) => revision.flips);
          expect(flipsOf(flips.together, environment.id)).toEqual(flipsOf(flips.apart, other.id));
        }
      }),
      10,
    );
  });

  it('takes a revision of each that it changes, and none of the others, and says which', async () => {
    const made = await environments();
    const applier = new Applier(fixture.database, () => undefined);
    const all = made.map((_, place) => [place, upsert('a', { plan: '"pro"' })] as const);
    await applier.apply(batchOf(made, all));
    const before = await applier.apply(batchOf(made, all));
    const more = [
      ...all.slice(0, 3),
      ...all.slice(3).map(([place]) => [place, upsert('b', { plan: '"pro"' })] as const),
    ];
    const { revisions, unchanged } = await applier.apply(batchOf(made, more));
    expect(unchanged).toBe(3);
    const heads = new Map(
      (
        await readHeads(
          fixture.database.sql,
          made.map(({ id }) => id),
        )
      ).map((head) => [head.environmentId, head.revision]),
    );
    for (const [place, { id, key }] of made.entries()) {
      expect(revisions.get(key)).toBe(heads.get(id));
      expect(revisions.get(key)).toBe((before.revisions.get(key) ?? 0) + (place < 3 ? 0 : 1));
      expect(await membersOf(fixture.database, made[place] ?? raise(), 'pro')).toHaveLength(place < 3 ? 1 : 2);
    }
  });

  it('applies nothing where a change of any of them is refused, and names it', async () => {
    const made = await environments();
    const applier = new Applier(fixture.database, () => undefined);
    const all = made.map((_, place) => [place, upsert('a', { plan: '"pro"' })] as const);
    const refused = { ...upsert('b', {}), identityId: 7 };
    await expect(applier.apply(batchOf(made, [...all, [3, refused]]))).rejects.toMatchObject({
      reason: 'IDENTITY_ID_NOT_ALLOWED',
      metadata: { index: '5' },
    });
    for (const environment of made) expect((await readTruth(fixture.database, environment)).identities).toHaveLength(0);
  });
});

function raise(): never {
  throw new Error('there is no such environment');
}
