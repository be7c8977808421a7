import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkMembership } from '../../src/query/check.js';
import { SetCache } from '../../src/query/set-cache.js';
import type { Environment } from '../../src/storage/environments.js';
import { rebuildAtom } from '../../src/indexing/catalog-writer.js';
import { dropSupersededVersions } from '../../src/indexing/superseded-versions.js';
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
  selectSegment,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

let fixture: Fixture;
let environment: Environment;
const isPro = definition([condition('plan', 'EQUAL', 'pro')]);
const isSet = definition([condition('plan', 'IS_SET')]);
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
beforeEach(async () => {
  environment = await fixture.environment();
  await applyTo(
    createApplier(fixture.database),
    environment,
    upsert('a', { plan: '"pro"' }),
    upsert('b', { plan: '"free"' }),
  );
});

const select = (key: string) => selectSegment(fixture.database, createIndex(fixture.database, environment), key);

describe('I10: a segment that cannot be answered says so with a reason, never 0', () => {
  it('while its atoms are built, with the progress', async () => {
    await putSegment(fixture.database, environment, 'pro', isPro);
    await expect(select('pro')).rejects.toMatchObject({
      reason: 'ATOM_BUILDING',
      metadata: { segment: 'pro', atomsReady: '0', atoms: '1' },
    });
    await buildAll(fixture.database, environment);
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual(['a']);
  });

  it('while one of several atoms is built again, in memory that had it too', async () => {
    await putSegment(fixture.database, environment, 'pro', isPro);
    await buildAll(fixture.database, environment);
    const index = createIndex(fixture.database, environment);
    await selectSegment(fixture.database, index, 'pro');
    await rebuildAtom(fixture.database, environment, 1);
    await expect(selectSegment(fixture.database, index, 'pro')).rejects.toMatchObject({ reason: 'ATOM_BUILDING' });
    await buildAll(fixture.database, environment);
    expect((await selectSegment(fixture.database, index, 'pro')).set.size).toBe(1);
  });

  it('where it or what it refers to is not there', async () => {
    await expect(select('nothing')).rejects.toMatchObject({ reason: 'SEGMENT_NOT_FOUND' });
    await putSegment(fixture.database, environment, 'parent', isSet);
    await putSegment(fixture.database, environment, 'child', definition([], { parent: 'parent' }));
    await buildAll(fixture.database, environment);
    await fixture.database.sql`delete from segment where project = ${environment.project} and key = 'parent'`;
    await expect(select('child')).rejects.toMatchObject({ reason: 'UNKNOWN_REFERENCE' });
  });

  it('where its bitmaps do not fit into memory', async () => {
    await putSegment(fixture.database, environment, 'pro', isPro);
    await buildAll(fixture.database, environment);
    const index = createIndex(fixture.database, environment, { chunkCache: new SetCache(10) });
    await expect(selectSegment(fixture.database, index, 'pro')).rejects.toMatchObject({
      reason: 'INDEX_MEMORY_EXCEEDED',
    });
  });

  it('in a check, beside the segments that can be answered', async () => {
    await putSegment(fixture.database, environment, 'set', isSet);
    await buildAll(fixture.database, environment);
    await putSegment(fixture.database, environment, 'pro', isPro);
    const index = createIndex(fixture.database, environment);
    const { results } = await checkMembership(
      fixture.database,
      index,
      { kind: 'identifier', identifier: 'a' },
      ['set', 'pro', 'nothing'],
      { level: 'latest' },
    );
    expect(results.map((result) => ('error' in result ? result.error.reason : result.isMember))).toEqual([
      true,
      'ATOM_BUILDING',
      'SEGMENT_NOT_FOUND',
    ]);
    await expect(
      checkMembership(fixture.database, index, { kind: 'identifier', identifier: 'z' }, [], { level: 'latest' }),
    ).rejects.toMatchObject({ reason: 'IDENTITY_NOT_FOUND' });
  });

  it('and an edit that waits for its atoms is served as it was, under its earlier etag, kept current, marked as pending', async () => {
    const etag = await putSegment(fixture.database, environment, 'pro', isPro);
    await putSegment(fixture.database, environment, 'not-pro', definition([condition('', 'not_in_segment', 'pro')]));
    await buildAll(fixture.database, environment);
    const index = createIndex(fixture.database, environment);
    await selectSegment(fixture.database, index, 'pro');
    const newEtag = await putSegment(
      fixture.database,
      environment,
      'pro',
      definition([condition('plan', 'REGEX', 'f')]),
    );
    await applyTo(createApplier(fixture.database), environment, upsert('c', { plan: '"pro"' }));
    await dropSupersededVersions(fixture.database);
    const pending = await selectSegment(fixture.database, index, 'pro');
    expect([pending.served.etag, pending.served.isPending, pending.set.size]).toEqual([etag, true, 2]);
    expect((await selectSegment(fixture.database, index, 'not-pro')).set.size).toBe(1);
    await buildAll(fixture.database, environment);
    await dropSupersededVersions(fixture.database);
    for (const one of [index, createIndex(fixture.database, environment)]) {
      const { served, set } = await selectSegment(fixture.database, one, 'pro');
      expect([served.etag, served.isPending, set.size]).toEqual([newEtag, false, 1]);
      expect((await selectSegment(fixture.database, one, 'not-pro')).set.size).toBe(2);
    }
  });

  it('and a disabled segment has no members, nor have its descendants: that is an answer', async () => {
    await putSegment(fixture.database, environment, 'parent', { ...isSet, enabled: false });
    await putSegment(fixture.database, environment, 'child', definition([], { parent: 'parent' }));
    expect(await membersOf(fixture.database, environment, 'child')).toEqual([]);
    await putSegment(fixture.database, environment, 'parent', isSet);
    await buildAll(fixture.database, environment);
    expect(await membersOf(fixture.database, environment, 'child')).toEqual(['a', 'b']);
  });

  it('after the database was away for longer than memory may be old', async () => {
    await putSegment(fixture.database, environment, 'pro', isPro);
    await buildAll(fixture.database, environment);
    const index = createIndex(fixture.database, environment, { maxStalenessMs: 50 });
    await selectSegment(fixture.database, index, 'pro');
    await applyTo(createApplier(fixture.database), environment, setTraits('b', { plan: '"pro"' }));
    expect((await selectSegment(fixture.database, index, 'pro', { level: 'minimize_latency' })).set.size).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 80));
    await expect(selectSegment(fixture.database, index, 'pro', { level: 'minimize_latency' })).rejects.toMatchObject({
      reason: 'DATABASE_UNAVAILABLE',
    });
    expect((await selectSegment(fixture.database, index, 'pro')).set.size).toBe(2);
  });
});
