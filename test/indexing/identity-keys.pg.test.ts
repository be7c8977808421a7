import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Change } from '../../src/core/changes.js';
import { verify } from '../../src/indexing/verify.js';
import type { Environment } from '../../src/storage/environments.js';
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
  remove,
  selectSegment,
  setTraits,
  upsert,
} from '../helpers/fixture.js';
import { checkProperty } from '../helpers/random-segments.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

const overridden = (change: Change, keyOverride: string): Change => ({ ...change, keyOverride });

/** An environment whose mode is `id`, with a segment for each of the keys. */
async function withKeys(options: Partial<Environment>, ...keys: readonly string[]): Promise<Environment> {
  const environment = await fixture.environment({ identityKeyMode: 'id', ...options });
  for (const key of keys)
    await putSegment(fixture.database, environment, key, definition([condition('$.identity.key', 'EQUAL', key)]));
  await buildAll(fixture.database, environment);
  return environment;
}

describe('identity.key in the mode of ids', () => {
  it('is the ordinal where the source gives that, whatever else it brings', async () => {
    const environment = await withKeys({ ordinalMode: 'given' }, '77', 'django-1');
    await applyTo(createApplier(fixture.database), environment, overridden(upsert('a', {}, 77), 'django-1'));
    expect(await membersOf(fixture.database, environment, '77')).toEqual(['a']);
    expect(await membersOf(fixture.database, environment, 'django-1')).toEqual([]);
  });

  it('is the override where ordinals are allotted, and the composite of identities without one', async () => {
    const key = 'allotted';
    const environment = await withKeys({ key }, '1', 'django-1', 'allotted_a', 'allotted_b');
    await applyTo(createApplier(fixture.database), environment, overridden(upsert('a'), 'django-1'), upsert('b'));
    const members = async () => {
      const found: Record<string, string[]> = {};
      for (const segment of ['1', 'django-1', 'allotted_a', 'allotted_b'])
        found[segment] = await membersOf(fixture.database, environment, segment);
      return found;
    };
    expect(await members()).toEqual({ '1': [], 'django-1': ['a'], allotted_a: [], allotted_b: ['b'] });
    await applyTo(createApplier(fixture.database), environment, overridden(setTraits('b', {}), '1'));
    expect(await members()).toEqual({ '1': ['b'], 'django-1': ['a'], allotted_a: [], allotted_b: [] });
    await applyTo(createApplier(fixture.database), environment, remove('a'));
    await applyTo(createApplier(fixture.database), environment, upsert('a'));
    expect(await members()).toEqual({ '1': ['b'], 'django-1': [], allotted_a: ['a'], allotted_b: [] });
  });

  it('stays where a change does not bring one, and goes with an identity that is deleted and created within a batch', async () => {
    const environment = await withKeys({ key: 'kept' }, 'django-1', 'kept_a');
    const applier = createApplier(fixture.database);
    await applyTo(applier, environment, overridden(upsert('a', { x: '1' }), 'django-1'));
    await applyTo(applier, environment, upsert('a', { x: '2' }), setTraits('a', { y: '1' }));
    expect(await membersOf(fixture.database, environment, 'django-1')).toEqual(['a']);
    const again = await applyTo(applier, environment, overridden(upsert('a', { x: '2', y: '1' }), 'django-1'));
    expect(again.unchanged).toBe(1);
    await applyTo(applier, environment, remove('a'), upsert('a', { x: '2', y: '1' }));
    expect(await membersOf(fixture.database, environment, 'django-1')).toEqual([]);
    expect(await membersOf(fixture.database, environment, 'kept_a')).toEqual(['a']);
  });

  it('is what a naive walk over the changes says, in atoms that followed them and in atoms that were built after them', async () => {
    const names = ['a', 'b', 'c'];
    const keys = ['o1', 'o2'];
    const steps = fc.array(
      fc.record({
        user: fc.constantFrom(...names),
        kind: fc.constantFrom<Change['kind']>('upsert', 'set_traits', 'delete'),
        override: fc.constantFrom(undefined, 'o1', 'o2'),
        isOwnBatch: fc.boolean(),
      }),
      { minLength: 1, maxLength: 12 },
    );
    const property = fc.asyncProperty(steps, async (changes) => {
      const environment = await withKeys({}, ...keys);
      const keyOf = new Map<string, string | undefined>();
      let batch: Change[] = [];
      for (const { user, kind, override, isOwnBatch } of changes) {
        batch.push({ kind, identifier: user, traits: new Map(), ...(override && { keyOverride: override }) });
        if (kind === 'delete') keyOf.delete(user);
        else keyOf.set(user, override ?? keyOf.get(user));
        if (!isOwnBatch) continue;
        await applyTo(createApplier(fixture.database), environment, ...batch);
        batch = [];
      }
      await applyTo(createApplier(fixture.database), environment, ...batch);
      await putSegment(fixture.database, environment, 'late', definition([condition('$.identity.key', 'IN', 'o1,o2')]));
      await buildAll(fixture.database, environment);
      const index = createIndex(fixture.database, environment);
      const having = (isWanted: (key: string | undefined) => boolean): number =>
        [...keyOf.values()].filter(isWanted).length;
      for (const key of keys)
        expect((await selectSegment(fixture.database, index, key)).set.size, key).toBe(having((own) => own === key));
      expect((await selectSegment(fixture.database, index, 'late')).set.size).toBe(having((own) => own !== undefined));
      const { signal } = new AbortController();
      const { differences } = await verify(fixture.database, environment, { sampleShare: 1, maxRanges: 100, signal });
      expect(differences).toEqual([]);
    });
    await checkProperty(property, 25);
  });
});
