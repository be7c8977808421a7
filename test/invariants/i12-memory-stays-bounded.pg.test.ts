import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OrdinalSet } from '../../src/core/bitmap.js';
import { readPages } from '../../src/query/member-pages.js';
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

const USERS = 12_000;
const PLANS = 20;

let fixture: Fixture;
let environment: Environment;
beforeAll(async () => {
  fixture = await createFixture();
  environment = await fixture.environment();
  for (let plan = 0; plan < PLANS; plan++)
    await putSegment(
      fixture.database,
      environment,
      `plan-${plan}`,
      definition([condition('plan', 'EQUAL', String(plan))]),
    );
  await putSegment(
    fixture.database,
    environment,
    'some',
    definition([condition('plan', 'LESS_THAN', '10'), condition('plan', 'GREATER_THAN', '2')]),
  );
  await buildAll(fixture.database, environment);
});
afterAll(() => fixture.drop());

function users(from: number): ReturnType<typeof upsert>[] {
  return Array.from({ length: USERS / 4 }, (_, user) =>
    upsert(`user-${from + user}`, { plan: String((from + user) % PLANS) }),
  );
}

describe('I12: memory stays bounded', () => {
  it('by the chunk cache, also where bitmaps grow in memory while they follow the log', async () => {
    const chunkCache = new SetCache(110_000);
    const composedCache = new SetCache(40_000);
    const index = createIndex(fixture.database, environment, { chunkCache, composedCache });
    for (let plan = 0; plan < PLANS; plan++) await selectSegment(fixture.database, index, `plan-${plan}`);
    await selectSegment(fixture.database, index, 'some');
    const empty = chunkCache.bytes;
    const applier = createApplier(fixture.database, (revision) => index.offer(revision));
    for (let from = 0; from < USERS; from += USERS / 4) await applyTo(applier, environment, ...users(from));
    await index.advance();
    expect(chunkCache.bytes).toBeGreaterThan(empty + 4_000);
    for (let plan = 0; plan < PLANS; plan++) {
      const { set } = await selectSegment(fixture.database, index, `plan-${plan}`);
      expect(set.size).toBe(USERS / PLANS);
      expect(chunkCache.bytes).toBeLessThanOrEqual(chunkCache.maxBytes);
      expect(composedCache.bytes).toBeLessThanOrEqual(composedCache.maxBytes);
    }
    const kept = Array.from({ length: PLANS }, (_, plan) => index.missing(index.catalog.serve(`plan-${plan}`)).length);
    expect(kept.filter((missing) => missing > 0).length).toBe(0);
    const tight = createIndex(fixture.database, environment, {
      chunkCache: new SetCache(16_000),
      composedCache: new SetCache(1),
    });
    for (let plan = 0; plan < PLANS; plan++)
      expect((await selectSegment(fixture.database, tight, `plan-${plan}`)).set.size).toBe(USERS / PLANS);
    expect(tight.missing(tight.catalog.serve('plan-0')).length).toBeGreaterThan(0);
  });

  it('by the page for streams: no more than the two pages after the one in hand are read', async () => {
    const large = await fixture.environment({ ordinalMode: 'given' });
    await fixture.database.sql`
      insert into identity (environment_id, id, identifier, traits)
      select ${large.id}, ordinal, 'user-' || ordinal, '{}' from generate_series(0, 59999) as ordinal`;
    const set = OrdinalSet.of(Array.from({ length: 60_000 }, (_, ordinal) => ordinal));
    const asked: number[] = [];
    const page = set.page.bind(set);
    set.page = (after, limit) => {
      asked.push(limit);
      return page(after, limit);
    };
    const pages = readPages(fixture.database, large.id, {
      revision: 1,
      set,
      after: -1,
      limit: 60_000,
      includeTraits: false,
      signal: new AbortController().signal,
    });
    for (let read = 1; read <= 3; read++) {
      await pages.next();
      expect(asked.length).toBeLessThanOrEqual(read + 2);
      expect(Math.max(...asked)).toBeLessThanOrEqual(10_000);
    }
    await pages.return(undefined);
  });

  it('by the cache, whatever is put, resized and given up, with what surrounds each set', () => {
    const around = 2048;
    const evicted: string[] = [];
    const cache = new SetCache(2 * around + 100);
    for (const key of ['a', 'b', 'c']) cache.put(key, 40, () => evicted.push(key));
    expect([cache.bytes, evicted]).toEqual([2 * around + 80, ['a']]);
    cache.touch('b');
    cache.resize('c', 70);
    expect([cache.bytes, evicted]).toEqual([around + 70, ['a', 'b']]);
    cache.resize('gone', 50);
    cache.delete('c');
    expect([cache.bytes, evicted]).toEqual([0, ['a', 'b', 'c']]);
    cache.put('large', 1_000_000, () => evicted.push('large'));
    expect(cache.bytes).toBe(cache.maxBytes);
  });
});
