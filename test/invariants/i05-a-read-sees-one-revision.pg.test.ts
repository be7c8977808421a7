import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkMembership } from '../../src/query/check.js';
import { countMembers, type Freshness, select } from '../../src/query/select.js';
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
  foldAll,
  putSegment,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

const USERS = 200;
const HALF = USERS / 2;

let fixture: Fixture;
let environment: Environment;
beforeAll(async () => {
  fixture = await createFixture();
  environment = await fixture.environment();
  await putSegment(fixture.database, environment, 'left', definition([condition('side', 'EQUAL', 'left')]));
  await putSegment(fixture.database, environment, 'right', definition([condition('side', 'EQUAL', 'right')]));
  await putSegment(
    fixture.database,
    environment,
    'both',
    definition([condition('', 'in_segment', 'left'), condition('', 'in_segment', 'right')]),
  );
  await putSegment(
    fixture.database,
    environment,
    'neither',
    definition([condition('', 'not_in_segment', 'left'), condition('', 'not_in_segment', 'right')]),
  );
  await buildAll(fixture.database, environment);
  await applyTo(
    createApplier(fixture.database),
    environment,
    ...Array.from({ length: USERS }, (_, user) => upsert(`user-${user}`, { side: side(user < HALF) })),
  );
});
afterAll(() => fixture.drop());

function side(isLeft: boolean): string {
  return isLeft ? '"left"' : '"right"';
}

/** A writer that moves as many from left to right as from right to left, all in one batch each time, until it is told to stop. */
function startSwapping(): () => Promise<void> {
  const stopping = new AbortController();
  const applier = createApplier(fixture.connect());
  const swapping = (async () => {
    for (let shift = 1; !stopping.signal.aborted; shift++) {
      const isLeft = (user: number): boolean => (user + shift * 7) % USERS < HALF;
      await applyTo(
        applier,
        environment,
        ...Array.from({ length: USERS }, (_, user) => setTraits(`user-${user}`, { side: side(isLeft(user)) })),
      );
    }
  })();
  return () => {
    stopping.abort();
    return swapping;
  };
}

const LEVELS: readonly Freshness[] = [{ level: 'minimize_latency' }, { level: 'latest' }];

describe('I5: a read sees exactly one revision', () => {
  it('when it counts while a writer swaps members between two segments, also where memory has room for nothing', async () => {
    const stop = startSwapping();
    const roomy = createIndex(fixture.connect(), environment);
    const tight = createIndex(fixture.connect(), environment, {
      chunkCache: new SetCache(7_644),
      composedCache: new SetCache(1),
    });
    const database = fixture.database;
    const reading = [roomy, tight].map(async (index) => {
      const seen = new Set<number>();
      for (let read = 0; read < 40 || seen.size < 4; read++) {
        const freshness = LEVELS[read % LEVELS.length] ?? { level: 'latest' };
        const keys = ['left', 'right', 'both', 'neither'];
        const counts = await Promise.all(
          keys.map((key) => countMembers(database, index, { kind: 'segment', key }, freshness)),
        );
        expect(counts.map(({ count }) => count)).toEqual([HALF, HALF, 0, 0]);
        counts.forEach(({ revision }) => seen.add(revision));
      }
    });
    await Promise.all(reading);
    await stop();
  });

  it('when it selects and checks while the log is folded and memory is told of other revisions', async () => {
    const stop = startSwapping();
    const index = createIndex(fixture.connect(), environment, {
      chunkCache: new SetCache(7_644),
      composedCache: new SetCache(1),
    });
    for (let read = 0; read < 25; read++) {
      const [check, left] = await Promise.all([
        checkMembership(fixture.database, index, { kind: 'identifier', identifier: `user-${read}` }, [], {
          level: 'latest',
        }),
        select(fixture.database, index, { kind: 'segment', key: 'left' }, { level: 'latest' }),
        foldAll(fixture.database, environment, 500),
      ]);
      const truth = Object.fromEntries(
        check.results.map((result) => [result.segment, 'isMember' in result && result.isMember]),
      );
      expect(truth).toEqual({ left: !truth['right'], right: !truth['left'], both: false, neither: false });
      const right = await select(
        fixture.database,
        index,
        { kind: 'segment', key: 'right' },
        { level: 'exact', revision: left.revision },
      );
      expect([left.set.size, right.set.size, left.set.and(right.set).size]).toEqual([HALF, HALF, 0]);
    }
    await stop();
  });

  it('when a selection is held while memory moves on', async () => {
    const index = createIndex(fixture.database, environment);
    const held = await select(fixture.database, index, { kind: 'segment', key: 'left' }, { level: 'latest' });
    const before = [...held.set];
    const applier = createApplier(fixture.database, (revision) => index.offer(revision));
    // user-0 was allotted 1.
    for (const ordinal of held.set.page(-1, 5))
      await applyTo(applier, environment, setTraits(`user-${ordinal - 1}`, { side: '"away"' }));
    const now = await select(fixture.database, index, { kind: 'segment', key: 'left' }, { level: 'latest' });
    expect([...held.set]).toEqual(before);
    expect(now.revision).toBe(held.revision + 5);
    expect([...now.set]).toEqual(before.slice(5));
  });
});
