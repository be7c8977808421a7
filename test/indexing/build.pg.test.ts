import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildAtom, buildAtoms } from '../../src/indexing/build.js';
import { dropExpiredAtoms, keepUpAtoms } from '../../src/indexing/atom-upkeep.js';
import { dropAtoms, rebuildAtom, rebuildOutdatedAtom } from '../../src/indexing/catalog-writer.js';
import { trim } from '../../src/indexing/fold.js';
import { putList } from '../../src/indexing/segment-writer.js';
import { dropSupersededVersions } from '../../src/indexing/superseded-versions.js';
import { leaseAtom, readAtoms, type StoredAtom, unleasedAtoms } from '../../src/storage/atoms.js';
import type { Environment } from '../../src/storage/environments.js';
import {
  applyTo,
  buildAll,
  buildOptions,
  condition,
  createApplier,
  createFixture,
  createIndex,
  definition,
  type Fixture,
  foldAll,
  membersOf,
  putSegment,
  readTruth,
  selectSegment,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

const USERS = 40;
const isPro = definition([condition('plan', 'EQUAL', 'pro')]);
let fixture: Fixture;
let environment: Environment;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
beforeEach(async () => {
  environment = await fixture.environment({ ordinalMode: 'given' });
  await applyTo(
    createApplier(fixture.database),
    environment,
    ...Array.from({ length: USERS }, (_, user) =>
      upsert(`user-${user}`, { plan: '"pro"', n: String(user) }, user * 2 ** 16),
    ),
  );
  await putSegment(fixture.database, environment, 'pro', isPro);
});

async function theAtom(): Promise<StoredAtom> {
  const [atom] = await readAtoms(fixture.database.sql, environment.id);
  if (atom === undefined) throw new Error('there is no atom');
  return atom;
}

/** A signal that aborts after it was looked at a number of times: a builder that is killed between two steps. */
function signalAfter(looks: number): AbortSignal {
  const { signal } = new AbortController();
  let left = looks;
  return new Proxy(signal, {
    get: (target, name) => (name === 'aborted' ? left-- <= 0 : (Reflect.get(target, name) as unknown)),
  });
}

async function expectRight(): Promise<void> {
  const { identities } = await readTruth(fixture.database, environment);
  const expected = identities
    .filter(({ traits }) => traits.get('plan') === '"pro"')
    .map(({ identifier }) => identifier)
    .sort();
  expect(await membersOf(fixture.database, environment, 'pro')).toEqual(expected);
}

describe('building an atom', () => {
  it('goes on where a builder that was killed stopped, changes in between included', async () => {
    const { id } = await theAtom();
    const applier = createApplier(fixture.database);
    for (let step = 0; (await theAtom()).state === 'building'; step++) {
      await buildAtom(fixture.database, environment, id, {
        ...buildOptions('first'),
        leaseMs: 0,
        signal: signalAfter(3),
      });
      const { scannedBelow, state } = await theAtom();
      if (state === 'building') expect(scannedBelow).toBeGreaterThanOrEqual(Math.min(USERS, (step + 1) * 6) * 2 ** 16);
      const moved = setTraits(`user-${step}`, { plan: '"free"' }, step * 2 ** 16);
      await applyTo(
        applier,
        environment,
        moved,
        setTraits(`user-${USERS - 1 - step}`, { plan: '"free"' }, (USERS - 1 - step) * 2 ** 16),
      );
      await applyTo(
        applier,
        environment,
        upsert(`late-${step}`, { plan: '"pro"' }, step * 2 ** 16 + 9),
        upsert(`later-${step}`, { plan: '"pro"' }, 2 ** 40 + step),
      );
    }
    await expectRight();
  });

  it('beside others in one scan is right, whatever was scanned of each before, and leaves out what another builds', async () => {
    for (const [key, property, value] of [
      ['free', 'plan', 'free'],
      ['set', 'plan', ''],
      ['seven', 'n', '7'],
      ['taken', 'plan', 'other'],
    ] as const)
      await putSegment(
        fixture.database,
        environment,
        key,
        definition([condition(property, value === '' ? 'IS_SET' : 'EQUAL', value)]),
      );
    const atoms = await readAtoms(fixture.database.sql, environment.id);
    const [begun, , , , taken] = atoms;
    if (begun === undefined || taken === undefined) throw new Error('there are no atoms');
    await buildAtom(fixture.database, environment, begun.id, { ...buildOptions(), leaseMs: 0, signal: signalAfter(3) });
    expect((await theAtom()).scannedBelow).toBeGreaterThan(0);
    const frees = [0, 20].map((user) => setTraits(`user-${user}`, { plan: '"free"' }, user * 2 ** 16));
    await applyTo(createApplier(fixture.database), environment, ...frees);
    await leaseAtom(fixture.database.sql, environment.id, taken.id, 'other', 60_000);
    const ready: number[] = [];
    const ids = atoms.map(({ id }) => id).reverse();
    await buildAtoms(fixture.database, environment, ids, buildOptions(), (id) => void ready.push(id));
    expect(ready).toEqual(atoms.map(({ id }) => id).filter((id) => id !== taken.id));
    await expectRight();
    expect(await membersOf(fixture.database, environment, 'free')).toEqual(['user-0', 'user-20']);
    expect((await membersOf(fixture.database, environment, 'set')).length).toBe(USERS);
    expect(await membersOf(fixture.database, environment, 'seven')).toEqual(['user-7']);
  });

  it('is left alone by others while its lease holds, and is theirs once it ran out', async () => {
    const { id } = await theAtom();
    await leaseAtom(fixture.database.sql, environment.id, id, 'other', 60_000);
    expect(await buildAtom(fixture.database, environment, id, buildOptions('me'))).toBeUndefined();
    expect((await theAtom()).state).toBe('building');
    expect(
      (await unleasedAtoms(fixture.database.sql, 'me', 10_000)).some(
        ({ environmentId }) => environmentId === environment.id,
      ),
    ).toBe(false);
    await fixture.database
      .sql`update atom set lease_until = now() - interval '1 second' where environment_id = ${environment.id}`;
    expect(await buildAtom(fixture.database, environment, id, buildOptions('me'))).toBeDefined();
    await expectRight();
  });

  it('by builders that lose their leases to each other at every step, while writers write, ends right', async () => {
    const { id } = await theAtom();
    const pools = [fixture.connect(), fixture.connect()];
    const own = environment;
    const writing = (async () => {
      const applier = createApplier(fixture.connect());
      for (let round = 0; round < 60; round++) {
        const user = round % USERS;
        await applyTo(
          applier,
          own,
          setTraits(`user-${user}`, { plan: round % 3 === 0 ? '"pro"' : '"free"' }, user * 2 ** 16),
        );
      }
    })();
    const building = pools.map(async (pool, number) => {
      while ((await theAtom()).state === 'building') {
        await buildAtom(pool, environment, id, {
          ...buildOptions(`builder-${number}`),
          leaseMs: 2,
          rangeChunks: 1,
          replayMaxBytes: 500,
        });
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
      }
    });
    await Promise.all([...building, writing]);
    await expectRight();
    await foldAll(fixture.database, environment);
    await expectRight();
  });

  it('begins again when a release means something else by its operator, and is not ready till then', async () => {
    await buildAll(fixture.database, environment);
    const index = createIndex(fixture.database, environment);
    await selectSegment(fixture.database, index, 'pro');
    await fixture.database
      .sql`update atom set semantics = semantics - 1 where environment_id = ${environment.id} and id <> 0`;
    await fixture.database.sql`delete from atom_chunk where environment_id = ${environment.id} and atom_id <> 0`;
    const { id, state } = await theAtom();
    expect(state).toBe('building');
    await expect(
      selectSegment(fixture.database, createIndex(fixture.database, environment), 'pro'),
    ).rejects.toMatchObject({ reason: 'ATOM_BUILDING' });
    expect(
      (await unleasedAtoms(fixture.database.sql, 'me', 10_000)).find((one) => one.environmentId === environment.id),
    ).toMatchObject({ atomId: id, isOutdated: true });
    await foldAll(fixture.database, environment);
    await rebuildOutdatedAtom(fixture.database, environment, id);
    await buildAll(fixture.database, environment);
    await expectRight();
  });

  it('of an earlier meaning is thrown away once, by whichever process comes first, and one of a later release never', async () => {
    await buildAll(fixture.database, environment);
    const { id } = await theAtom();
    await fixture.database
      .sql`update atom set semantics = semantics - 1 where environment_id = ${environment.id} and id = ${id}`;
    expect(await rebuildOutdatedAtom(fixture.database, environment, id)).toBeDefined();
    await buildAll(fixture.database, environment);
    expect(await rebuildOutdatedAtom(fixture.database, environment, id)).toBeUndefined();
    expect((await theAtom()).state).toBe('ready');
    await fixture.database
      .sql`update atom set semantics = semantics + 1 where environment_id = ${environment.id} and id = ${id}`;
    const waiting = await unleasedAtoms(fixture.database.sql, 'me', 10_000);
    expect(waiting.filter((atom) => atom.environmentId === environment.id)).toEqual([]);
    for (const reset of [rebuildOutdatedAtom, rebuildAtom])
      expect(await reset(fixture.database, environment, id)).toBeUndefined();
  });

  it('keeps the log from its registration on, whatever is trimmed', async () => {
    const applier = createApplier(fixture.database);
    const { id, registeredRevision } = await theAtom();
    await buildAtom(fixture.database, environment, id, { ...buildOptions(), leaseMs: 0, signal: signalAfter(2) });
    for (let user = 0; user < 5; user++)
      await applyTo(applier, environment, setTraits(`user-${user}`, { plan: '"free"' }, user * 2 ** 16));
    await foldAll(fixture.database, environment);
    await trim(fixture.database, environment.id, -60_000);
    const [oldest] = await fixture.database.sql<
      { revision: number }[]
    >`select min(revision) as revision from atom_log where environment_id = ${environment.id}`;
    expect(oldest?.revision).toBeLessThanOrEqual(registeredRevision + 1);
    await buildAll(fixture.database, environment);
    await expectRight();
  });
});

describe('atoms that nobody needs', () => {
  it('are dropped when they were not asked for, unless a segment came to need them in the meantime', async () => {
    await buildAll(fixture.database, environment);
    const atom = await theAtom();
    const dropUnasked = async (draftExpiryMs: number) => {
      await keepUpAtoms(fixture.database, environment, undefined);
      return dropExpiredAtoms(fixture.database, environment, { draftExpiryMs, graceMs: -1_000, splitGraceMs: 0 });
    };
    expect(await dropUnasked(-1_000)).toBeUndefined();
    expect(await dropAtoms(fixture.database, environment, [atom])).toBeUndefined();
    await putSegment(fixture.database, environment, 'pro', definition([]));
    await dropSupersededVersions(fixture.database);
    expect(await dropUnasked(3_600_000)).toBeUndefined();
    expect(await dropUnasked(-1_000)).toBeDefined();
    expect(await readAtoms(fixture.database.sql, environment.id)).toEqual([]);
    expect(
      await fixture.database
        .sql`select from atom_chunk where environment_id = ${environment.id} and atom_id = ${atom.id}`,
    ).toHaveLength(0);
    await putSegment(fixture.database, environment, 'pro', isPro);
    await buildAll(fixture.database, environment);
    expect((await theAtom()).id).not.toBe(atom.id);
    await expectRight();
  });
});

describe('a stored list', () => {
  it('is one atom, whatever its length, and moves the segments that refer to it when it changes', async () => {
    const values = new Set(Array.from({ length: 5_000 }, (_, n) => `user-${n * 2}`));
    await putList(fixture.database, { project: environment.project, name: 'even', values }, 'test');
    const inList = (list: string) =>
      definition([{ property: '$.identity.identifier', operator: 'IN', value: '', list: { name: list, sha256: '' } }]);
    await putSegment(fixture.database, environment, 'even', inList('even'));
    await buildAll(fixture.database, environment);
    expect(await membersOf(fixture.database, environment, 'even')).toHaveLength(USERS / 2);
    const applier = createApplier(fixture.database);
    await applyTo(applier, environment, upsert('user-100', {}, 77), upsert('user-101', {}, 78));
    expect(await membersOf(fixture.database, environment, 'even')).toContain('user-100');
    await putList(
      fixture.database,
      { project: environment.project, name: 'even', values: new Set(['user-101']) },
      'test',
    );
    await buildAll(fixture.database, environment);
    expect(await membersOf(fixture.database, environment, 'even')).toEqual(['user-101']);
    await expect(putSegment(fixture.database, environment, 'odd', inList('odd'))).rejects.toMatchObject({
      reason: 'LIST_NOT_FOUND',
    });
  });
});
