import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RollcallError } from '../../../src/core/errors.js';
import { Backfills, type BackfillsOptions } from '../../../src/indexing/backfill/backfills.js';
import { cancelBackfill } from '../../../src/indexing/backfill/end-backfill.js';
import { findBackfill, leaseBackfill, newestBackfill, readSkippedRows } from '../../../src/storage/backfills.js';
import type { Environment } from '../../../src/storage/environments.js';
import {
  applyTo,
  buildAll,
  condition,
  createApplier,
  createFixture,
  definition,
  type Fixture,
  putSegment,
  remove,
  setTraits,
  upsert,
} from '../../helpers/fixture.js';
import { installFaults, type StatementFaults } from '../../helpers/statement-faults.js';
import { listedSource, row } from '../../helpers/listed-source.js';
import { begin, current, expectVerified, run, states } from './backfill-world.js';

let fixture: Fixture;
let environment: Environment;
let faults: StatementFaults;
beforeAll(async () => {
  fixture = await createFixture();
  faults = await installFaults(fixture.database);
});
afterAll(() => fixture.drop());
beforeEach(async () => {
  environment = await fixture.environment();
  await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'EQUAL', 'pro')]));
  await buildAll(fixture.database, environment);
  await applyTo(createApplier(fixture.database), environment, upsert('old', { plan: '"pro"' }));
});
afterEach(() => expectVerified(fixture.database, environment));

const names = ['a', 'b', 'c', 'd', 'e'];
const rows = (): ReturnType<typeof row>[] => names.map((name) => row(environment, name, { plan: '"pro"' }));
const away = (): never => {
  throw new RollcallError('SOURCE_UNAVAILABLE', 'the source went away');
};

async function identifiers(): Promise<string[]> {
  return Object.keys(await states(fixture.database, environment));
}

describe('a backfill that stops half-way', () => {
  it('has failed with the reason of its source, and goes on from its cursor', async () => {
    await fixture.database.sql`update environment set state = 'loading' where id = ${environment.id}`;
    const backfill = await begin(fixture.database, environment);
    const source = listedSource(environment, rows(), { onRead: (page) => (page === 2 ? away() : undefined) });
    const failed = await run(fixture.database, environment, backfill, source);
    expect(failed).toMatchObject({
      state: 'failed',
      errorReason: 'SOURCE_UNAVAILABLE',
      errorExplanation: 'the source went away',
      identitiesRead: 4,
      cursor: '4',
    });
    expect(await current(fixture.database, environment)).toMatchObject({
      state: 'failed',
      stateReason: 'SOURCE_UNAVAILABLE',
      backfillId: backfill.id,
    });
    const resumed = await begin(fixture.database, environment);
    expect(resumed).toMatchObject({
      id: backfill.id,
      state: 'running',
      resumed: 1,
      baseRevision: backfill.baseRevision,
    });
    const again = listedSource(environment, rows());
    expect(await run(fixture.database, environment, resumed, again)).toMatchObject({
      state: 'done',
      identitiesRead: 5,
      identitiesSwept: 1,
      errorReason: '',
    });
    expect([again.startedAfter, await identifiers()]).toEqual([['4'], names]);
    expect((await current(fixture.database, environment)).state).toBe('ready');
  });

  it('keeps what came live in the gap before it was resumed', async () => {
    const source = listedSource(environment, rows(), { onRead: (page) => (page === 1 ? away() : undefined) });
    await run(fixture.database, environment, await begin(fixture.database, environment), source);
    const applier = createApplier(fixture.database);
    await applyTo(applier, environment, upsert('gap'), remove('a'), remove('e'), setTraits('d', { plan: '"free"' }));
    await run(
      fixture.database,
      environment,
      await begin(fixture.database, environment),
      listedSource(environment, rows()),
    );
    expect(await states(fixture.database, environment)).toMatchObject({ gap: {}, d: { plan: '"free"' } });
    expect(await identifiers()).toEqual(['b', 'c', 'd', 'gap']);
  });

  it('begins anew where that is asked, with a new base', async () => {
    const source = listedSource(environment, rows(), { onRead: (page) => (page === 1 ? away() : undefined) });
    const first = await begin(fixture.database, environment);
    await run(fixture.database, environment, first, source);
    const second = await begin(fixture.database, environment, { restart: true });
    expect(second.id).toBeGreaterThan(first.id);
    expect((await findBackfill(fixture.database.sql, environment.id, first.id))?.state).toBe('cancelled');
    const again = listedSource(environment, rows());
    await run(fixture.database, environment, second, again);
    expect([again.startedAfter, await identifiers()]).toEqual([[undefined], names]);
  });

  it('refuses another while it runs', async () => {
    await begin(fixture.database, environment);
    await expect(begin(fixture.database, environment)).rejects.toMatchObject({ reason: 'BACKFILL_RUNNING' });
  });

  it('ends the same whichever of its writes is cut off, when it is taken up again', async () => {
    for (let nth = 0; ; nth++) {
      const [owner, source] = [`owner-${nth}`, listedSource(environment, rows())];
      await applyTo(createApplier(fixture.database), environment, upsert('old', { plan: '"pro"' }), remove('e'));
      let backfill = await begin(fixture.database, environment, { restart: true });
      await faults.arm('cut', nth + 1);
      await run(fixture.connect(), environment, backfill, source, { owner }).catch(() => undefined);
      await faults.arm('cut', -1);
      const after = await findBackfill(fixture.database.sql, environment.id, backfill.id);
      const wasHit = after?.state !== 'done';
      if (after?.state === 'failed') backfill = await begin(fixture.database, environment);
      if (wasHit)
        expect(await run(fixture.database, environment, backfill, source, { owner })).toMatchObject({ state: 'done' });
      expect(await identifiers(), `write ${nth}`).toEqual(names);
      if (!wasHit) break;
      expect(nth).toBeLessThan(100);
    }
  });

  it('is taken up by another process once its lease is over, which the first one notices', async () => {
    const backfill = await begin(fixture.database, environment);
    let other: Promise<unknown> = Promise.resolve();
    const slow = listedSource(environment, rows(), {
      onRead: async (page) => {
        if (page !== 2) return;
        for (let cursor: unknown = ''; cursor !== '4';)
          cursor = (await findBackfill(fixture.database.sql, environment.id, backfill.id))?.cursor;
        await fixture.database
          .sql`update backfill set lease_until = now() - interval '1 second' where id = ${backfill.id}`;
        other = run(fixture.connect(), environment, backfill, listedSource(environment, rows()));
        await other;
      },
    });
    const seen = await run(fixture.database, environment, backfill, slow);
    expect(await other).toMatchObject({ state: 'done', resumed: 1, identitiesRead: 5 });
    expect(seen).toMatchObject({ state: 'done', identitiesRead: 5 });
    expect(await identifiers()).toEqual(names);
  });

  it('is run by one of two that fight for it', async () => {
    const backfill = await begin(fixture.database, environment);
    const sources = [listedSource(environment, rows()), listedSource(environment, rows())];
    await Promise.all(sources.map((source) => run(fixture.connect(), environment, backfill, source)));
    expect(sources.map(({ startedAfter }) => startedAfter.length).sort()).toEqual([0, 1]);
    expect(await findBackfill(fixture.database.sql, environment.id, backfill.id)).toMatchObject({
      identitiesRead: 5,
      resumed: 0,
    });
  });

  it('stops at the next page after it was cancelled, with nothing swept', async () => {
    await fixture.database.sql`update environment set state = 'loading' where id = ${environment.id}`;
    const backfill = await begin(fixture.database, environment);
    const onRead = async (page: number): Promise<void> => {
      if (page === 1) await cancelBackfill(fixture.database, environment, 'test');
    };
    const ended = await run(fixture.database, environment, backfill, listedSource(environment, rows(), { onRead }));
    expect(ended).toMatchObject({ state: 'cancelled', errorReason: 'CANCELLED', identitiesSwept: 0 });
    expect(await current(fixture.database, environment)).toMatchObject({
      state: 'failed',
      stateReason: 'CANCELLED',
      backfillId: null,
    });
    expect(await identifiers()).toContain('old');
    await expect(cancelBackfill(fixture.database, environment, 'test')).rejects.toMatchObject({
      reason: 'BACKFILL_NOT_FOUND',
    });
  });

  it('ends quietly where its environment was deleted', async () => {
    const deleted = await fixture.environment();
    const backfill = await begin(fixture.database, deleted);
    const onRead = async (page: number): Promise<void> => {
      if (page === 1) await fixture.database.sql`update environment set deleted_at = now() where id = ${deleted.id}`;
    };
    const source = listedSource(deleted, rows(), { onRead });
    expect((await run(fixture.database, deleted, backfill, source))?.state).toBe('running');
  });
});

describe('what a process does about backfills', () => {
  async function whileRunning(
    options: Partial<BackfillsOptions>,
    work: (backfills: Backfills) => Promise<void>,
  ): Promise<unknown[]> {
    const errors: unknown[] = [];
    const backfills = new Backfills(fixture.database, createApplier(fixture.database), {
      openSource: () => Promise.resolve(listedSource(environment, rows())),
      onCommitted: () => undefined,
      onError: (error) => errors.push(error),
      ...options,
    });
    backfills.run();
    await work(backfills).finally(() => backfills.stop());
    return errors;
  }

  async function until(isSo: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; tries < 200; tries++) {
      if (await isSo()) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error('it never came to be so');
  }

  const newest = () => newestBackfill(fixture.database.sql, environment.id);

  it('begins the first load of an environment by itself, but not again after it failed or was cancelled', async () => {
    await fixture.database
      .sql`update environment set state = 'loading', source = 'flagsmith' where id = ${environment.id}`;
    let isAway = true;
    const openSource = () =>
      isAway
        ? Promise.reject(new RollcallError('SOURCE_UNAVAILABLE', 'no'))
        : Promise.resolve(listedSource(environment, rows()));
    const errors = await whileRunning({ openSource }, async (backfills) => {
      await until(async () => (await newest())?.state === 'failed');
      isAway = false;
      backfills.nudge();
      await new Promise((resolve) => setTimeout(resolve, 700));
      expect((await newest())?.state).toBe('failed');
      await begin(fixture.database, environment);
      backfills.nudge();
      await until(async () => (await newest())?.state === 'done');
    });
    expect([errors, await identifiers()]).toEqual([[], names]);
    expect((await current(fixture.database, environment)).state).toBe('ready');
  });

  it('takes up what another process left, from its cursor, and leaves its own when it stops', async () => {
    const backfill = await begin(fixture.database, environment);
    let reached = (): void => undefined;
    const waiting = new Promise<void>((resolve) => (reached = resolve));
    const stuck = listedSource(environment, rows(), {
      onRead: (page, signal) => {
        if (page < 2) return;
        reached();
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
      },
    });
    await whileRunning({ openSource: () => Promise.resolve(stuck) }, () => waiting);
    expect(await newest()).toMatchObject({ state: 'running', cursor: '4' });
    const source = listedSource(environment, rows());
    await whileRunning({ openSource: () => Promise.resolve(source) }, () =>
      until(async () => (await newest())?.state === 'done'),
    );
    expect([source.startedAfter, (await newest())?.resumed]).toEqual([['4'], 1]);
    expect((await newest())?.id).toBe(backfill.id);
  });

  it('loads environments again after the interval of refreshes', async () => {
    await fixture.database.sql`update environment set source = 'flagsmith' where id = ${environment.id}`;
    await whileRunning({ refreshIntervalMs: 200 }, async () => {
      await until(async () => (await newest())?.state === 'done');
      const first = (await newest())?.id ?? 0;
      await until(async () => ((await newest())?.id ?? 0) > first);
    });
    await fixture.database.sql`update environment set source = '' where id = ${environment.id}`;
  });

  it('notes loads whose callers are gone as failed, and forgets what ended long ago', async () => {
    const { id } = await begin(fixture.database, environment);
    await leaseBackfill(fixture.database.sql, id, 'a caller', 1);
    await fixture.database
      .sql`update backfill set source = 'file', updated_at = now() - interval '1 hour' where id = ${id}`;
    await fixture.database.sql`
      insert into backfill (environment_id, source, source_name, state, is_first, is_sweeping, base_revision)
      select ${environment.id}, 'file', 'old', 'done', false, false, 0 from generate_series(1, 120)`;
    await fixture.database.sql`insert into backfill_touch values (${environment.id}, ${id + 1}, 'x', 1, true, '{}')`;
    await whileRunning({}, () =>
      until(async () => (await findBackfill(fixture.database.sql, environment.id, id))?.state === 'failed'),
    );
    const left = await fixture.database.sql`select from backfill where environment_id = ${environment.id}`;
    const touches = await fixture.database
      .sql`select from backfill_touch where environment_id = ${environment.id} and identifier = 'x'`;
    expect([left.length, touches.length]).toEqual([101, 0]);
  });
});

describe('the total of a source that shares it with other environments', () => {
  it('is told as it is at first, and is what the last load read from then on', async () => {
    const shared = (): ReturnType<typeof listedSource> => ({
      ...listedSource(environment, rows()),
      estimate: () => Promise.resolve({ total: 1_000, unit: 'identities', isAtMost: true }),
    });
    const load = async () => run(fixture.database, environment, await begin(fixture.database, environment), shared());
    expect(await load()).toMatchObject({ position: 5, total: 1_000, unit: 'identities' });
    expect(await load()).toMatchObject({ position: 5, total: 5, unit: 'identities' });
    await fixture.database.sql`update backfill set source = 'file' where environment_id = ${environment.id}`;
    expect(await load()).toMatchObject({ total: 1_000 });
  });
});

describe('rows that a backfill skips', () => {
  it('are kept, the first hundred of them, and counted', async () => {
    const wrong = Array.from({ length: 150 }, (_, number) => ({
      where: `line ${number}`,
      environmentKey: environment.key,
      identifier: `bad-${number}`,
      reason: 'INVALID_TRAIT' as const,
      explanation: 'it is no trait',
    }));
    const source = listedSource(environment, rows(), {
      skipped: new Map([
        [0, wrong.slice(0, 60)],
        [1, wrong.slice(60)],
      ]),
    });
    const ended = await run(fixture.database, environment, await begin(fixture.database, environment), source);
    expect(ended?.rowsSkipped).toBe(150);
    const kept = await readSkippedRows(fixture.database.sql, ended?.id ?? 0, 1000);
    expect(kept.map(({ where }) => where)).toEqual(wrong.slice(0, 100).map(({ where }) => where));
    expect(kept[0]).toEqual({
      where: 'line 0',
      identifier: 'bad-0',
      reason: 'INVALID_TRAIT',
      explanation: 'it is no trait',
    });
  });
});
