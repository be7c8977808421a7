import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { EnvironmentState } from '../../src/gen/rollcall/v1/index_service_pb.js';
import { rebuildAtom } from '../../src/indexing/catalog-writer.js';
import { NO_FEED } from '../../src/indexing/kafka/feed-status.js';
import { EnvironmentIndexes } from '../../src/query/environment-indexes.js';
import { SetCache } from '../../src/query/set-cache.js';
import { createServerMetrics } from '../../src/server/metrics/server-metrics.js';
import { readStatus } from '../../src/server/services/index-status.js';
import type { Environment } from '../../src/storage/environments.js';
import { createFixture, environmentOf, type Fixture, upsert } from '../helpers/fixture.js';

const { readVisibility } = createServerMetrics();

let fixture: Fixture;
let environment: Environment;
let indexes: EnvironmentIndexes;
let chunkCache: SetCache;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
beforeEach(async () => {
  environment = await environmentOf(fixture, upsert('a'), upsert('b'), upsert('c'));
  chunkCache = new SetCache(1_000_000);
  indexes = new EnvironmentIndexes(fixture.database, {
    chunkCache,
    composedCache: new SetCache(1_000_000),
    maxStalenessMs: 60_000,
    pollIntervalMs: 1_000,
    touchIntervalMs: 1_000,
    onCorrupt: () => undefined,
    onError: () => undefined,
  });
});
afterEach(() => {
  indexes.stop();
});

const status = async () =>
  (
    await readStatus(
      { database: fixture.database, indexes, readFeed: () => NO_FEED, readVisibility },
      environment.key,
      false,
    )
  ).environments?.[0];

it('the status of an environment has no as_of before anything was loaded', async () => {
  await rebuildAtom(fixture.database, environment, 0);
  expect(await status()).toMatchObject({ state: EnvironmentState.LOADING, identities: 0n });
  expect(await status()).not.toHaveProperty('asOf');
});

it('the status of an environment counts its identities though their bitmap is pushed out meanwhile', async () => {
  const index = await indexes.get(environment.key);
  const reading = status();
  while (index.identities === undefined) await new Promise(setImmediate);
  chunkCache.put('another', chunkCache.maxBytes, () => undefined);
  expect(index.identities).toBe(undefined);
  expect(await reading).toMatchObject({ state: EnvironmentState.READY, identities: 3n });
});
