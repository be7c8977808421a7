import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkMembership } from '../../src/query/check.js';
import { EnvironmentIndexes } from '../../src/query/environment-indexes.js';
import type { EnvironmentIndex } from '../../src/query/environment-index.js';
import { SetCache } from '../../src/query/set-cache.js';
import { readHead, type Environment } from '../../src/storage/environments.js';
import {
  applyTo,
  createApplier,
  createFixture,
  createIndex,
  environmentOfPros,
  type Fixture,
  readTruth,
  selectSegment,
  setTraits,
} from '../helpers/fixture.js';

let fixture: Fixture;
let environment: Environment;
let index: EnvironmentIndex;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
beforeEach(async () => {
  environment = await environmentOfPros(fixture, ['a', 'b', 'c']);
  index = createIndex(fixture.connect(), environment);
  await selectSegment(fixture.database, index, 'pro');
});

/** Another process moves one identity out; the revision that did it. */
async function moveOut(identifier: string): Promise<number> {
  const { revisions } = await applyTo(
    createApplier(fixture.connect()),
    environment,
    setTraits(identifier, { plan: '"free"' }),
  );
  return revisions.get(environment.key) ?? 0;
}

describe('freshness', () => {
  it('minimize_latency answers from memory, at its revision', async () => {
    const revision = await moveOut('a');
    const selection = await selectSegment(fixture.database, index, 'pro', { level: 'minimize_latency' });
    expect([selection.revision, selection.set.size]).toEqual([revision - 1, 3]);
  });

  it('at_least_revision sees what another process committed, and refuses what nobody did', async () => {
    const revision = await moveOut('a');
    const selection = await selectSegment(fixture.database, index, 'pro', { level: 'at_least', revision });
    expect([selection.revision, selection.set.size]).toEqual([revision, 2]);
    await expect(
      selectSegment(fixture.database, index, 'pro', { level: 'at_least', revision: revision + 1 }),
    ).rejects.toMatchObject({ reason: 'REVISION_NOT_REACHED' });
  });

  it('latest sees whatever was committed before the call', async () => {
    for (const [number, identifier] of ['a', 'b', 'c'].entries()) {
      const revision = await moveOut(identifier);
      const selection = await selectSegment(fixture.database, index, 'pro');
      expect([selection.revision, selection.set.size]).toEqual([revision, 2 - number]);
    }
  });

  it('exact_revision is what was then, in memory that has moved on and in memory that was not there', async () => {
    const revisions = [index.revision, await moveOut('a'), await moveOut('b'), await moveOut('c')];
    await selectSegment(fixture.database, index, 'pro');
    for (const one of [index, createIndex(fixture.database, environment)]) {
      for (const [number, revision] of revisions.entries()) {
        const selection = await selectSegment(fixture.database, one, 'pro', { level: 'exact', revision });
        expect([selection.revision, selection.set.size]).toEqual([revision, 3 - number]);
      }
    }
    await expect(selectSegment(fixture.database, index, 'pro', { level: 'exact', revision: 1 })).rejects.toMatchObject({
      reason: 'CURSOR_EXPIRED',
    });
  });

  it('exact_revision of a check is that revision or none', async () => {
    const revision = await moveOut('a');
    await index.advance();
    const check = (at: number) =>
      checkMembership(fixture.database, index, { kind: 'identifier', identifier: 'a' }, ['pro'], {
        level: 'exact',
        revision: at,
      });
    expect((await check(revision)).revision).toBe(revision);
    await expect(check(revision - 1)).rejects.toMatchObject({ reason: 'CURSOR_EXPIRED' });
  });

  it('as_of is the time up to which commits are seen, and goes on while nothing is written', async () => {
    const before = await readHead(fixture.database.sql, environment.id);
    await index.advance();
    expect(index.asOf.getTime()).toBeGreaterThanOrEqual(before?.readAt.getTime() ?? Infinity);
    const after = await readHead(fixture.database.sql, environment.id);
    expect(index.asOf.getTime()).toBeLessThanOrEqual(after?.readAt.getTime() ?? 0);
    expect(after !== undefined && index.confirm(after)).toBe(true);
    expect(index.asOf).toEqual(after?.readAt);
  });
});

describe('a database that was restored from an older state', () => {
  it('is loaded again by readers, though its revisions are numbered alike', async () => {
    const { revision } = await readTruth(fixture.database, environment);
    await moveOut('a');
    await index.advance();
    const { sql } = fixture.database;
    await sql`delete from atom_log where environment_id = ${environment.id} and revision > ${revision}`;
    await sql`update identity set traits = '{"plan": "pro"}' where environment_id = ${environment.id}`;
    await sql`update environment_head set revision = ${revision} where environment_id = ${environment.id}`;
    await moveOut('b');
    const head = await readHead(sql, environment.id);
    expect(head !== undefined && index.confirm(head)).toBe(false);
    const { set, committedAt } = await selectSegment(fixture.database, index, 'pro');
    expect([index.revision, set.size, set.has(1), set.has(2)]).toEqual([revision + 1, 2, true, false]);
    expect(committedAt).toEqual(head?.committedAt);
  });
});

describe('the indexes of a process', () => {
  it('follow other processes by polling, and give up what was deleted', async () => {
    const errors: unknown[] = [];
    const indexes = new EnvironmentIndexes(fixture.database, {
      chunkCache: new SetCache(1_000_000),
      composedCache: new SetCache(1_000_000),
      maxStalenessMs: 60_000,
      pollIntervalMs: 10,
      touchIntervalMs: 10,
      onCorrupt: () => undefined,
      onError: (error) => errors.push(error),
    });
    indexes.run();
    const followed = await indexes.get(environment.key);
    await selectSegment(fixture.database, followed, 'pro');
    const revision = await moveOut('a');
    for (let tries = 0; followed.revision < revision && tries < 200; tries++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await selectSegment(fixture.database, followed, 'pro', { level: 'minimize_latency' })).set.size).toBe(2);
    await fixture.database.sql`update environment set deleted_at = now() where id = ${environment.id}`;
    for (let tries = 0; [...indexes.all()].length > 0 && tries < 200; tries++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    await expect(indexes.get(environment.key)).rejects.toMatchObject({ reason: 'ENVIRONMENT_NOT_FOUND' });
    indexes.stop();
    expect(errors).toEqual([]);
  });
});
