import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAtoms } from '../../src/storage/atoms.js';
import {
  applyTo,
  bitmapOf,
  buildAll,
  createApplier,
  createFixture,
  createIndex,
  type Fixture,
  foldAll,
  putSegment,
  selectSegment,
} from '../helpers/fixture.js';
import { changes, checkProperty, segmentSets } from '../helpers/random-segments.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

const cases = fc.record({
  segments: segmentSets(3),
  batches: fc.array(fc.array(changes(12), { minLength: 8, maxLength: 30 }), { minLength: 4, maxLength: 4 }),
});

describe('I4: every bitmap is a subset of the universe', () => {
  it('after every batch of creations, changes and deletions, for atoms and for what is composed of them', async () => {
    await checkProperty(
      fc.asyncProperty(cases, async ({ segments, batches }) => {
        const environment = await fixture.environment();
        const followed = createIndex(fixture.database, environment);
        const applier = createApplier(fixture.database);
        for (const [key, definition] of segments) await putSegment(fixture.database, environment, key, definition);
        for (const batch of batches) {
          await applyTo(applier, environment, ...batch);
          await buildAll(fixture.database, environment);
          await foldAll(fixture.database, environment);
          for (const index of [followed, createIndex(fixture.database, environment)]) {
            const sets = [];
            for (const { id } of await readAtoms(fixture.database.sql, environment.id))
              sets.push(await bitmapOf(index, id));
            for (const key of segments.keys()) sets.push((await selectSegment(fixture.database, index, key)).set);
            const universe = await bitmapOf(index, 0);
            expect(
              sets.filter((set) => set === undefined || universe === undefined || !set.isSubsetOf(universe)),
            ).toEqual([]);
          }
        }
      }),
      6,
    );
  });
});
