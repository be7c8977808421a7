import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Environment } from '../../../src/storage/environments.js';
import { applyTo, createApplier, createFixture, type Fixture, remove, upsert } from '../../helpers/fixture.js';
import { listedSource, row } from '../../helpers/listed-source.js';
import { begin, expectVerified, run, states } from './backfill-world.js';

let fixture: Fixture;
let environment: Environment;
beforeAll(async () => {
  fixture = await createFixture();
  environment = await fixture.environment();
});
afterAll(() => fixture.drop());

const ROWS = 1_200;

describe('pages of new identities that live changes create at the same moment', () => {
  it('are applied all the same, with what the live changes say', async () => {
    const names = Array.from({ length: ROWS }, (_, n) => `user-${n}`);
    const appliers = [createApplier(fixture.database), createApplier(fixture.database)];
    const racing: Promise<unknown>[] = [];
    // The pages between are all new, so that the raced ones begin as copies.
    const isRaced = (page: number): boolean => page % 3 === 2;
    const onRead = (page: number): void => {
      if (!isRaced(page)) return;
      for (const [offset, applier] of appliers.entries()) {
        const name = names[2 * page + offset] ?? '';
        const change = page % 2 === 0 ? remove(name) : upsert(name, { plan: '"live"' });
        racing.push(applyTo(applier, environment, change));
      }
    };
    const backfill = await begin(fixture.database, environment);
    const rows = names.map((name) => row(environment, name, { plan: '"source"' }));
    const ended = await run(fixture.database, environment, backfill, listedSource(environment, rows, { onRead }));
    await Promise.all(racing);
    expect(ended?.state).toBe('done');
    const expected = names.flatMap((name, n) => {
      const page = Math.floor(n / 2);
      if (!isRaced(page)) return [[name, { plan: '"source"' }]];
      return page % 2 === 0 ? [] : [[name, { plan: '"live"' }]];
    });
    expect(await states(fixture.database, environment)).toEqual(Object.fromEntries(expected));
    await expectVerified(fixture.database, environment);
  });

  it('are applied all the same where they are so large that their copy fails half-way', async () => {
    const other = await fixture.environment();
    const names = Array.from({ length: 12_000 }, (_, n) => `user-${n}`);
    const applier = createApplier(fixture.database);
    const onRead = async (page: number): Promise<void> => {
      if (page % 2 === 1) await applyTo(applier, other, upsert(names[3_000 * page] ?? '', { plan: '"live"' }));
    };
    const backfill = await begin(fixture.database, other);
    const rows = names.map((name) => row(other, name, { plan: `"${'x'.repeat(200)}"` }));
    const ended = await run(fixture.database, other, backfill, listedSource(other, rows, { onRead, pageSize: 3_000 }));
    expect(ended).toMatchObject({ state: 'done', identitiesRead: 12_000 });
    const found = await states(fixture.database, other);
    expect(Object.keys(found)).toHaveLength(12_000);
    expect([found['user-3000'], found['user-9000']]).toEqual([{ plan: '"live"' }, { plan: '"live"' }]);
    await expectVerified(fixture.database, other);
  });
});
