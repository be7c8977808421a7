import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  applyTo,
  buildAll,
  condition,
  createApplier,
  createFixture,
  definition,
  type Fixture,
  membersOf,
  putSegment,
  readTruth,
  remove,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

const IDENTITIES = 1_200;
let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

const name = (place: number): string => `user-${(place * 7_919) % IDENTITIES}`;
const everyone = Array.from({ length: IDENTITIES }, (_, place) => name(place));

describe('a batch of several parts', () => {
  it('allots ordinals in the order of the batch, also where some of its identities are there already', async () => {
    const environment = await fixture.environment();
    const applier = createApplier(fixture.database);
    const known = everyone.filter((_, place) => place % 3 === 0);
    await applyTo(applier, environment, ...known.map((identifier) => upsert(identifier, { plan: '"free"' })));
    await applyTo(applier, environment, ...everyone.map((identifier) => setTraits(identifier, { plan: '"pro"' })));
    const { identities } = await readTruth(fixture.database, environment);
    const created = everyone.filter((identifier) => !known.includes(identifier));
    expect(identities.map(({ identifier }) => identifier)).toEqual([...known, ...created]);
  });

  it('keeps the order of the changes of each identity, and flips what the last of them makes true', async () => {
    const environment = await fixture.environment();
    await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'EQUAL', 'pro')]));
    await buildAll(fixture.database, environment);
    const applier = createApplier(fixture.database);
    const rounds = [
      ...everyone.map((identifier) => upsert(identifier, { plan: '"pro"', age: '1' })),
      ...everyone.filter((_, place) => place % 2 === 0).map((identifier) => remove(identifier)),
      ...everyone.filter((_, place) => place % 4 === 0).map((identifier) => setTraits(identifier, { plan: '"pro"' })),
      ...everyone.filter((_, place) => place % 5 === 0).map((identifier) => setTraits(identifier, { plan: '"free"' })),
    ];
    for (let repeat = 0; repeat < 2; repeat++) await applyTo(applier, environment, ...rounds);
    const expected = everyone.filter((_, place) => (place % 2 === 1 || place % 4 === 0) && place % 5 !== 0);
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual(expected.sort());
  });

  it('applies nothing where one change of any part is refused, and names it', async () => {
    const environment = await fixture.environment();
    const applier = createApplier(fixture.database);
    await applyTo(applier, environment, ...everyone.map((identifier) => upsert(identifier, { plan: '"free"' })));
    const huge = JSON.stringify('x'.repeat(1_100_000));
    const changes = everyone.map((identifier, place) =>
      setTraits(identifier, place === 777 ? { huge } : { plan: '"pro"' }),
    );
    await expect(applyTo(applier, environment, ...changes)).rejects.toMatchObject({
      reason: 'INVALID_TRAIT',
      metadata: { index: '777' },
    });
    const { identities } = await readTruth(fixture.database, environment);
    expect(identities.every(({ traits }) => traits.get('plan') === '"free"' && traits.size === 1)).toBe(true);
    await applyTo(applier, environment, setTraits('user-1', { plan: '"pro"' }));
  });
});
