import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkMembership } from '../../src/query/check.js';
import { EnvironmentIndexes } from '../../src/query/environment-indexes.js';
import { SetCache } from '../../src/query/set-cache.js';
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
  putSegment,
  selectSegment,
  upsert,
} from '../helpers/fixture.js';

let fixture: Fixture;
let indexes: EnvironmentIndexes;
let errors: unknown[];
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
beforeEach(() => {
  errors = [];
  indexes = new EnvironmentIndexes(fixture.database, {
    chunkCache: new SetCache(1_000_000),
    composedCache: new SetCache(1_000_000),
    maxStalenessMs: 60_000,
    pollIntervalMs: 5,
    touchIntervalMs: 1_000,
    onCorrupt: () => undefined,
    onError: (error) => errors.push(error),
  });
  indexes.run();
});
afterEach(() => {
  indexes.stop();
});

const commit = (environment: Environment, identifier: string) =>
  applyTo(createApplier(fixture.connect()), environment, upsert(identifier, { plan: '"pro"' }));

describe('the indexes of a process', () => {
  it('give up an environment that was deleted before anything of it was loaded, for the next of its key', async () => {
    const first = await fixture.environment();
    expect((await indexes.get(first.key)).isLoaded).toBe(false);
    await fixture.database.sql`update environment set deleted_at = now() where id = ${first.id}`;
    const second = await fixture.environment({ key: first.key });
    await expect.poll(async () => (await indexes.get(first.key)).environment.id).toBe(second.id);
  });

  it('follow every environment though the reading of one hangs and of another fails', async () => {
    const environments = [await fixture.environment(), await fixture.environment(), await fixture.environment()];
    const followed = await Promise.all(
      environments.map(async (environment) => {
        const index = await indexes.get(environment.key);
        await index.advance();
        return index;
      }),
    );
    const [hanging, failing, sound] = followed;
    if (hanging === undefined || failing === undefined || sound === undefined) throw new Error('not followed');
    hanging.advance = () => new Promise(() => undefined);
    failing.advance = () => Promise.reject(new Error('the read failed'));
    for (const environment of environments) await commit(environment, 'a');
    await expect.poll(() => sound.revision, { timeout: 5_000 }).toBe(hanging.revision + 1);
    expect(errors.map(String)).toContain('Error: the read failed');
  });
});

describe('an index', () => {
  it('goes on answering at its revision while it is loaded anew, as what the log lacks keeps it from following', async () => {
    const environment = await fixture.environment();
    await commit(environment, 'a');
    const index = createIndex(fixture.connect(), environment);
    await index.loadUniverse();
    const { revision } = index;
    await commit(environment, 'b');
    await fixture.database
      .sql`delete from atom_log where environment_id = ${environment.id} and revision <= ${revision}`;
    await fixture.database.sql`update atom set base_revision = ${revision} where environment_id = ${environment.id}`;
    const seen = new Set<string>();
    const loading = new AbortController();
    const loaded = index.load([]).finally(() => {
      loading.abort();
    });
    while (!loading.signal.aborted) {
      seen.add(`${index.revision} ${index.catalog.revision}`);
      await new Promise(setImmediate);
    }
    await loaded;
    expect([...seen].filter((state) => state !== `${revision} ${index.catalog.revision}`)).toEqual([]);
    expect(index.revision).toBe(revision + 1);
  });

  it('that has no room for the bitmaps of every segment says so of those that it has no room for', async () => {
    const environment = await fixture.environment();
    const keys = Array.from({ length: 6 }, (_, segment) => `segment-${segment}`);
    for (const [segment, key] of keys.entries())
      await putSegment(fixture.database, environment, key, definition([condition('n', 'MODULO', `${segment + 2}|0`)]));
    await buildAll(fixture.database, environment);
    const users = Array.from({ length: 3_000 }, (_, n) => upsert(`user-${n}`, { n: String(n) }));
    await applyTo(createApplier(fixture.database), environment, ...users);
    const chunkCache = new SetCache(20_000);
    const index = createIndex(fixture.database, environment, { chunkCache });
    const identity = { kind: 'identifier', identifier: 'user-60' } as const;
    const { results } = await checkMembership(fixture.database, index, identity, [], { level: 'latest' });
    const outcomes = results.map((result) => ('error' in result ? result.error.reason : result.isMember));
    expect(new Set(outcomes)).toEqual(new Set([true, 'INDEX_MEMORY_EXCEEDED']));
    const roomy = createIndex(fixture.database, environment);
    const all = await checkMembership(fixture.database, roomy, identity, [], { level: 'latest' });
    expect(all.results.map((result) => 'isMember' in result && result.isMember)).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
    ]);
    expect((await selectSegment(fixture.database, index, 'segment-0')).set.size).toBe(1_500);
  });
});
