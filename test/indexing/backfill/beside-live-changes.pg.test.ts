import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { inTransaction } from '../../../src/storage/database.js';
import type { Environment } from '../../../src/storage/environments.js';
import type { Change } from '../../../src/core/changes.js';
import {
  applyTo,
  buildAll,
  condition,
  createApplier,
  createFixture,
  definition,
  type Fixture,
  membersOf,
  putSegment,
  remove,
  setTraits,
  upsert,
} from '../../helpers/fixture.js';
import { waitUntilBlocked } from '../../helpers/blocked-backends.js';
import { listedSource, row } from '../../helpers/listed-source.js';
import { begin, current, expectVerified, run, states } from './backfill-world.js';

let fixture: Fixture;
let environment: Environment;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
beforeEach(async () => {
  environment = await fixture.environment();
  await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'EQUAL', 'pro')]));
  await buildAll(fixture.database, environment);
});
afterEach(() => expectVerified(fixture.database, environment));

async function live(...changes: readonly Change[]): Promise<void> {
  await applyTo(createApplier(fixture.database), environment, ...changes);
}

/** Loads rows in pages of two, with live changes once the page of that number is read and before it is applied. */
async function load(
  rows: readonly ReturnType<typeof row>[],
  changes: ReadonlyMap<number, readonly Change[]> = new Map(),
) {
  const onRead = (page: number): Promise<void> => live(...(changes.get(page) ?? []));
  const backfill = await begin(fixture.database, environment);
  return run(fixture.database, environment, backfill, listedSource(environment, rows, { onRead }));
}

const abcd = (): ReturnType<typeof row>[] =>
  ['a', 'b', 'c', 'd'].map((name) => row(environment, name, { plan: '"pro"', n: '1' }));

describe('a backfill beside live changes', () => {
  it('loads what the source has and turns an environment that was loading ready', async () => {
    await fixture.database.sql`update environment set state = 'loading' where id = ${environment.id}`;
    const ended = await load(abcd());
    expect(ended).toMatchObject({
      state: 'done',
      isFirst: true,
      identitiesRead: 4,
      identitiesChanged: 4,
      identitiesSwept: 0,
    });
    expect(await current(fixture.database, environment)).toMatchObject({
      state: 'ready',
      backfillId: null,
      loadedFrom: ended?.startedAt,
    });
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual(['a', 'b', 'c', 'd']);
  });

  it('fills the other traits of an identity of which a live change set some before it was loaded', async () => {
    await load(abcd(), new Map([[0, [setTraits('c', { plan: '"free"', extra: '7' })]]]));
    expect((await states(fixture.database, environment))['c']).toEqual({ plan: '"free"', n: '1', extra: '7' });
  });

  it('does not bring back a trait that a live change removed', async () => {
    await load(abcd(), new Map([[0, [setTraits('c', { plan: null })]]]));
    expect((await states(fixture.database, environment))['c']).toEqual({ n: '1' });
  });

  it('does not undo a live deletion of an identity that it has not loaded yet, nor of one it has', async () => {
    await load(abcd(), new Map([[1, [remove('a'), remove('d')]]]));
    expect(Object.keys(await states(fixture.database, environment))).toEqual(['b', 'c']);
  });

  it('does not undo a live full state', async () => {
    await load(abcd(), new Map([[1, [upsert('a', { plan: '"free"' }), upsert('d', { plan: '"free"' })]]]));
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual(['b', 'c']);
  });

  it('leaves alone what a live change confirmed without changing it', async () => {
    await live(upsert('c', { plan: '"free"' }));
    await load(abcd(), new Map([[0, [upsert('c', { plan: '"free"' })]]]));
    expect((await states(fixture.database, environment))['c']).toEqual({ plan: '"free"' });
  });

  it('leaves alone what was deleted and created again', async () => {
    await load(
      abcd(),
      new Map([
        [0, [remove('c'), upsert('c', { x: '1' })]],
        [1, [remove('d'), setTraits('d', { x: '2' })]],
      ]),
    );
    expect(await states(fixture.database, environment)).toMatchObject({ c: { x: '1' }, d: { x: '2' } });
  });

  it('sweeps what the source no longer has, but nothing that came or changed live since it began', async () => {
    await live(upsert('old'), upsert('kept', { n: '1' }), upsert('confirmed'));
    const ended = await load(
      abcd(),
      new Map([[0, [setTraits('kept', { n: '2' }), upsert('aa'), upsert('confirmed')]]]),
    );
    expect(ended?.identitiesSwept).toBe(1);
    expect(Object.keys(await states(fixture.database, environment))).toEqual([
      'a',
      'aa',
      'b',
      'c',
      'confirmed',
      'd',
      'kept',
    ]);
  });

  it('sweeps nothing before its end', async () => {
    await live(upsert('old'));
    const seen: boolean[] = [];
    const onRead = async (): Promise<void> => {
      seen.push('old' in (await states(fixture.database, environment)));
    };
    const backfill = await begin(fixture.database, environment);
    await run(fixture.database, environment, backfill, listedSource(environment, abcd(), { onRead }));
    expect([seen, 'old' in (await states(fixture.database, environment))]).toEqual([[true, true], false]);
  });

  it('sweeps nothing and leaves the state as it is where it is not complete by intent', async () => {
    await live(upsert('old'));
    await fixture.database
      .sql`update environment set state = 'failed', state_reason = 'RELOAD_REQUIRED' where id = ${environment.id}`;
    const backfill = await begin(fixture.database, environment, { isSweeping: false });
    const ended = await run(fixture.database, environment, backfill, listedSource(environment, abcd()));
    expect(ended).toMatchObject({ state: 'done', identitiesSwept: 0 });
    expect(Object.keys(await states(fixture.database, environment))).toEqual(['a', 'b', 'c', 'd', 'old']);
    expect(await current(fixture.database, environment)).toMatchObject({ state: 'failed', loadedFrom: null });
  });

  it('takes the last of rows with the same identifier, in one page and in different ones', async () => {
    const again = [
      row(environment, 'a', { n: '1' }),
      row(environment, 'a', { n: '2' }),
      ...abcd().slice(1),
      row(environment, 'b', { n: '3' }),
    ];
    await load(again);
    expect(await states(fixture.database, environment)).toMatchObject({ a: { n: '2' }, b: { n: '3' } });
  });

  it('keeps what is stored of a row that it skips, and sweeps nothing where it does not know of whom a row is', async () => {
    await live(upsert('bad', { n: '1' }), upsert('old'));
    const skipped = {
      where: 'line 3',
      environmentKey: environment.key,
      reason: 'INVALID_TRAIT',
      explanation: 'no',
    } as const;
    const one = listedSource(environment, abcd(), { skipped: new Map([[1, [{ ...skipped, identifier: 'bad' }]]]) });
    const first = await run(fixture.database, environment, await begin(fixture.database, environment), one);
    expect([first?.rowsSkipped, first?.identitiesSwept]).toEqual([1, 1]);
    await live(upsert('old'));
    const other = listedSource(environment, abcd(), { skipped: new Map([[1, [{ ...skipped, identifier: '' }]]]) });
    const second = await run(fixture.database, environment, await begin(fixture.database, environment), other);
    expect([second?.state, second?.rowsUnidentified, second?.identitiesSwept]).toEqual(['done', 1, 0]);
    expect(Object.keys(await states(fixture.database, environment))).toEqual(['a', 'b', 'bad', 'c', 'd', 'old']);
  });
});

describe('live changes between the read of a page and its commit', () => {
  /** A page is applied while the head is held; then the live changes commit before the page can take the head. */
  async function between(rows: ReturnType<typeof row>[], ...changes: readonly Change[]): Promise<void> {
    const backfill = await begin(fixture.database, environment);
    const running = await inTransaction(fixture.connect(), { isolation: 'read committed' }, async (tx) => {
      await tx`select from environment_head where environment_id = ${environment.id} for update`;
      // The live batch waits first, so it takes the head first.
      const applying = live(...changes);
      await waitUntilBlocked(fixture.database, 1);
      const source = listedSource(environment, rows);
      const loading = run(fixture.connect(), environment, backfill, source);
      await waitUntilBlocked(fixture.database, 2);
      return { applying, loading };
    });
    await running.applying;
    expect((await running.loading)?.state).toBe('done');
  }

  it('a deletion of an identity that the page creates', async () => {
    await between(abcd().slice(0, 2), remove('a'));
    expect(Object.keys(await states(fixture.database, environment))).toEqual(['b']);
  });

  it('the creation of an identity that the page creates too', async () => {
    await between(abcd().slice(0, 2), setTraits('a', { plan: '"free"' }));
    expect(await states(fixture.database, environment)).toMatchObject({ a: { plan: '"free"', n: '1' } });
  });

  it('a confirmation of what the page changes', async () => {
    await live(upsert('a', { plan: '"free"' }));
    await between(abcd().slice(0, 2), upsert('a', { plan: '"free"' }));
    expect(await states(fixture.database, environment)).toMatchObject({ a: { plan: '"free"' } });
  });
});
