import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { trim } from '../../src/indexing/fold.js';
import type { EnvironmentIndex } from '../../src/query/environment-index.js';
import { START, resume } from '../../src/query/resume.js';
import { SetCache } from '../../src/query/set-cache.js';
import type { Environment } from '../../src/storage/environments.js';
import {
  applyTo,
  createApplier,
  createFixture,
  createIndex,
  environmentOfPros,
  type Fixture,
  foldAll,
  remove,
  selectSegment,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

const target = { kind: 'segment', key: 'pro' } as const;

let fixture: Fixture;
let environment: Environment;
let index: EnvironmentIndex;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
beforeEach(async () => {
  environment = await environmentOfPros(fixture, ['a', 'b', 'c']);
  index = createIndex(fixture.database, environment);
});

async function forgetTheLog(): Promise<void> {
  await foldAll(fixture.database, environment);
  await trim(fixture.database, environment.id, 0);
}

describe('a selection that is kept', () => {
  it('is not used once the log no longer reaches it: the identifiers of members deleted since are gone (I6)', async () => {
    const { revision, committedAt, served } = await selectSegment(fixture.database, index, 'pro');
    const exact = { level: 'exact', revision } as const;
    await applyTo(createApplier(fixture.database), environment, remove('b'));
    await applyTo(createApplier(fixture.database), environment, upsert('d', { plan: '"pro"' }));
    await index.advance();
    expect((await selectSegment(fixture.database, index, 'pro', exact)).set.size).toBe(3);
    await forgetTheLog();
    await expect(selectSegment(fixture.database, index, 'pro', exact)).rejects.toMatchObject({
      reason: 'CURSOR_EXPIRED',
    });
    const cursor = {
      query: '',
      predicate: served.predicate.key.slice(0, 16),
      revision,
      committedAtMs: committedAt.getTime(),
      after: START,
    };
    const goOn = (isStrict: boolean) =>
      resume(fixture.database, index, target, { freshness: { level: 'latest' }, cursor, isStrict });
    await expect(goOn(true)).rejects.toMatchObject({ reason: 'CURSOR_EXPIRED' });
    const { isRevisionChanged, selection } = await goOn(false);
    expect([isRevisionChanged, selection.revision]).toEqual([true, index.revision]);
  });

  it('is used as long as every revision after it is logged, though its own is not', async () => {
    const { revision } = await selectSegment(fixture.database, index, 'pro');
    await forgetTheLog();
    await applyTo(createApplier(fixture.database), environment, remove('b'));
    const { sql } = fixture.database;
    await sql`delete from atom_log where environment_id = ${environment.id} and revision = ${revision}`;
    index.offer({
      revision: revision + 1,
      committedAt: new Date(),
      flips: { catalogChanged: false, atoms: new Map() },
    });
    expect((await selectSegment(fixture.database, index, 'pro', { level: 'exact', revision })).set.size).toBe(3);
  });

  it('counts in the cache with the objects around it, and keeps no compiled segment in memory (I12)', async () => {
    const composedCache = new SetCache(30_000);
    index = createIndex(fixture.database, environment, { composedCache });
    const revisions: number[] = [];
    for (let change = 0; change < 40; change++) {
      await applyTo(
        createApplier(fixture.database),
        environment,
        setTraits('a', { plan: change % 2 ? '"pro"' : '"x"' }),
      );
      const { revision, served } = await selectSegment(fixture.database, index, 'pro');
      revisions.push(revision);
      expect([Object.keys(served), Object.keys(served.predicate)]).toEqual([
        ['key', 'etag', 'isPending', 'predicate'],
        ['key'],
      ]);
    }
    const { key } = index.catalog.serve('pro').predicate;
    const kept = revisions.filter((revision) => index.keptSelection(key, revision) !== undefined);
    expect(kept.length).toBeGreaterThan(5);
    expect(kept.length).toBeLessThan(15);
  });
});

describe('an earlier revision', () => {
  it('is what it was, though the same identities went in and out again and again since', async () => {
    const applier = createApplier(fixture.database);
    const expected: { readonly revision: number; readonly members: number }[] = [];
    for (let change = 0; change < 12; change++) {
      await applyTo(
        applier,
        environment,
        ...['a', 'b', 'c'].map((identifier, place) =>
          setTraits(identifier, { plan: (change >> place) % 2 ? '"pro"' : '"free"' }),
        ),
        ...(change === 6 ? [remove('c')] : []),
      );
      const { revision, set } = await selectSegment(fixture.database, index, 'pro');
      expected.push({ revision, members: [...set].reduce((bits, ordinal) => bits + 2 ** ordinal, 0) });
    }
    const later = createIndex(fixture.database, environment);
    for (const { revision, members } of expected) {
      const { set } = await selectSegment(fixture.database, later, 'pro', { level: 'exact', revision });
      expect([...set].reduce((bits, ordinal) => bits + 2 ** ordinal, 0)).toBe(members);
    }
  });
});
