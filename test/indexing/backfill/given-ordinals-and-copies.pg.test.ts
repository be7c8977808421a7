import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Change } from '../../../src/core/changes.js';
import { inTransaction } from '../../../src/storage/database.js';
import type { Environment } from '../../../src/storage/environments.js';
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
  readTruth,
  remove,
  setTraits,
  upsert,
} from '../../helpers/fixture.js';
import { waitUntilBlocked } from '../../helpers/blocked-backends.js';
import { listedSource, row } from '../../helpers/listed-source.js';
import { begin, expectVerified, run } from './backfill-world.js';

let fixture: Fixture;
let environment: Environment;
const pro = { plan: '"pro"' };
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
afterEach(() => expectVerified(fixture.database, environment));

async function prepare(ordinalMode: Environment['ordinalMode']): Promise<void> {
  environment = await fixture.environment({ ordinalMode });
  await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'EQUAL', 'pro')]));
  await buildAll(fixture.database, environment);
}

async function live(...changes: readonly Change[]): Promise<void> {
  await applyTo(createApplier(fixture.database), environment, ...changes);
}

async function states(): Promise<[number, string, Record<string, string>][]> {
  return (await readTruth(fixture.database, environment)).identities.map(({ id, identifier, traits }) => [
    id,
    identifier,
    Object.fromEntries(traits),
  ]);
}

/** Loads rows in pages of `pageSize`, with live changes before the first is applied. */
async function load(rows: readonly ReturnType<typeof row>[], changes: readonly Change[] = [], pageSize = 10) {
  const onRead = (page: number): Promise<void> => (page === 0 ? live(...changes) : Promise.resolve());
  const source = listedSource(environment, rows, { onRead, pageSize });
  return run(fixture.database, environment, await begin(fixture.database, environment), source);
}

const row0 = (name: string, id: number) => ({ name, id });

describe('a backfill of an environment that is given its ordinals', () => {
  beforeEach(() => prepare('given'));

  it('loads them as they are and sweeps the others by their ids', async () => {
    await live(upsert('old', {}, 9));
    await load([row(environment, 'a', pro, 5), row(environment, 'b', {}, 2 ** 33)]);
    expect(await states()).toEqual([
      [5, 'a', pro],
      [2 ** 33, 'b', {}],
    ]);
  });

  it('takes an identifier that comes with another id as a deletion and a creation', async () => {
    await live(upsert('a', { n: '1' }, 5));
    const ended = await load([row(environment, 'a', pro, 7)]);
    expect([await states(), ended?.identitiesSwept]).toEqual([[[7, 'a', pro]], 0]);
  });

  it('takes an id that comes with another identifier as a new name', async () => {
    await live(upsert('a', { n: '1' }, 5));
    await load([row(environment, 'b', pro, 5)]);
    expect(await states()).toEqual([[5, 'b', pro]]);
  });

  it('does not bring back an identity that was deleted live by its id, under whatever name', async () => {
    await live(upsert('a', {}, 5));
    await load([row(environment, 'renamed', pro, 5)], [remove('a', 5)]);
    expect(await states()).toEqual([]);
  });

  it('keeps the name that a live change gave to an id, and fills its other traits', async () => {
    await load([row(environment, 'a', pro, 5)], [setTraits('b', { n: '1' }, 5)]);
    expect(await states()).toEqual([[5, 'b', { n: '1', ...pro }]]);
  });

  it('keeps the id that a live change gave to an identifier', async () => {
    await load([row(environment, 'a', pro, 5)], [setTraits('a', { n: '1' }, 7)]);
    expect(await states()).toEqual([[7, 'a', { n: '1' }]]);
  });

  it('keeps what was set of an identity without its id', async () => {
    await live(upsert('a', {}, 5));
    await load([row(environment, 'renamed', pro, 5)], [setTraits('a', { plan: '"free"' })]);
    expect(await states()).toEqual([[5, 'a', { plan: '"free"' }]]);
  });

  it('brings back the ids of deleted identities', async () => {
    await live(upsert('a', {}, 5), upsert('b', {}, 6));
    await live(remove('a'), remove('b'));
    await load([row(environment, 'a', pro, 5), row(environment, 'b', pro, 8)]);
    expect(await states()).toEqual([
      [5, 'a', pro],
      [8, 'b', pro],
    ]);
  });

  it('loses to a live deletion that did not find the identity, also where the page commits first', async () => {
    const backfill = await begin(fixture.database, environment);
    const rows = [row(environment, 'a', pro, 5), row(environment, 'b', pro, 6), row(environment, 'c', pro, 7)];
    const both = await inTransaction(fixture.connect(), { isolation: 'read committed' }, async (tx) => {
      await tx`select from environment_head where environment_id = ${environment.id} for update`;
      const loading = run(fixture.connect(), environment, backfill, listedSource(environment, rows, { pageSize: 3 }));
      await waitUntilBlocked(fixture.database, 1);
      const deleting = live(remove('a'), remove('unknown', 6), remove('nobody'));
      await waitUntilBlocked(fixture.database, 2);
      return { loading, deleting };
    });
    await Promise.all([both.loading, both.deleting]);
    expect(await states()).toEqual([[7, 'c', pro]]);
  });

  it.each([
    ['the later name of an id', [row0('zed', 7), row0('amy', 7)], [[7, 'amy']]],
    [
      'what became of an id before its name went to another',
      [row0('b', 1), row0('a', 1), row0('b', 2)],
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
  ])('takes %s, also on a page after one of new identities', async (_, rows, expected) => {
    const own = rows.map(({ name, id }) => row(environment, name, {}, id));
    const before = ['x', 'y', 'z'].map((name, at) => row(environment, name, {}, 100 + at));
    await load([...before, ...own], [], 3);
    const found = (await states()).filter(([id]) => id < 100).map(([id, name]) => [id, name]);
    expect(found).toEqual(expected);
  });

  it('has failed where its source has none', async () => {
    const source = { ...listedSource(environment, []), ordinalMode: 'allotted' as const };
    const ended = await run(fixture.database, environment, await begin(fixture.database, environment), source);
    expect(ended).toMatchObject({ state: 'failed', errorReason: 'IDENTITY_ID_REQUIRED' });
  });
});

describe('pages of new identities', () => {
  beforeEach(() => prepare('allotted'));

  const odd = [
    'plain',
    'tab\there',
    'line\nbreak',
    'back\\slash',
    '\\N',
    'ü😀',
    '\u0002mark',
    'x'.repeat(2000),
    '"quoted"',
    '\r',
  ];

  it('hold any identifier and trait', async () => {
    const traits = {
      'a\\b': '"c\\\\d"',
      tab: '"\\t"',
      big: '123456789012345678901234567890',
      float: '1.0',
      nested: '{"k": [1, "\\n"]}',
    };
    const rows = ['first', ...odd].map((identifier) => row(environment, identifier, traits));
    // The first page finds nobody, and the others follow it.
    expect((await load(rows, [], 1))?.state).toBe('done');
    const stored = await readTruth(fixture.database, environment);
    expect(stored.identities.map(({ identifier }) => identifier).sort()).toEqual(['first', ...odd].sort());
    for (const { traits: own } of stored.identities) expect(Object.fromEntries(own)).toEqual(traits);
  });

  it('with identities that are there already, or twice, are applied all the same', async () => {
    const names = Array.from({ length: 12 }, (_, number) => `n${number}`);
    const rows = [...names, 'n3', 'n11', 'n11'].map((name, at) => row(environment, name, at % 2 === 0 ? pro : {}));
    const ended = await load(rows, [upsert('n9', { n: '1' }), setTraits('n10', { n: '1' })], 3);
    expect(ended).toMatchObject({ state: 'done', identitiesRead: 15 });
    const { identities } = await readTruth(fixture.database, environment);
    expect(identities.map(({ identifier }) => identifier).sort()).toEqual([...names].sort());
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual([
      'n0',
      'n10',
      'n11',
      'n2',
      'n3',
      'n4',
      'n6',
      'n8',
    ]);
  });

  it('are copied but for those that live changes touched, with the ordinals that were allotted for them', async () => {
    const rows = Array.from({ length: 12 }, (_, number) => row(environment, `n${number}`, pro));
    await load(rows, [upsert('n5', {}), upsert('n9', {})], 4);
    const ids = (await states()).map(([id]) => id).sort((a, b) => a - b);
    expect(ids).toHaveLength(12);
    // Two live ones, and a gap for each where it would have been.
    expect((ids.at(-1) ?? 0) - (ids[0] ?? 0)).toBe(13);
    expect(await membersOf(fixture.database, environment, 'pro')).toHaveLength(10);
  });

  it('that come three times each are copied, wherever what is made ready at a time ends', async () => {
    const names = Array.from({ length: 900 }, (_, number) => `n${number}`);
    const again = names.slice(0, 300).flatMap((name) => [`again-${name}`, `again-${name}`, `again-${name}`]);
    const rows = [...names, ...again].map((name) => row(environment, name, pro));
    await load(rows, [], 900);
    const ids = (await states()).map(([id]) => id).sort((a, b) => a - b);
    expect([ids.length, (ids.at(-1) ?? 0) - (ids[0] ?? 0)]).toEqual([1_200, 1_199]);
  });

  it('of thousands are in every atom', async () => {
    const rows = Array.from({ length: 3_000 }, (_, number) =>
      row(environment, `user-${number}`, number % 3 === 0 ? pro : {}),
    );
    expect(await load(rows, [], 500)).toMatchObject({ identitiesChanged: 3_000 });
    expect(await membersOf(fixture.database, environment, 'pro')).toHaveLength(1_000);
  });
});
