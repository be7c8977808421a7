import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EnvironmentSettings, IdentityKeyMode } from '../../src/core/environment-settings.js';
import { dropExpiredAtoms, keepUpAtoms } from '../../src/indexing/atom-upkeep.js';
import type { Applier } from '../../src/indexing/applier.js';
import { buildAtom } from '../../src/indexing/build.js';
import { dropSupersededVersions } from '../../src/indexing/superseded-versions.js';
import { type EnvironmentChanges, updateEnvironment } from '../../src/indexing/update-environment.js';
import { countMembers } from '../../src/query/select.js';
import { readAtoms } from '../../src/storage/atoms.js';
import { type Environment, findEnvironment } from '../../src/storage/environments.js';
import type { SegmentDefinition } from '../../src/core/segments.js';
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
  ordinalsWhere,
  putSegment,
  readTruth,
  remove,
  selectSegment,
  setTraits,
  upsert,
} from '../helpers/fixture.js';
import { isMember } from '../helpers/oracle.js';
import { checkProperty } from '../helpers/random-segments.js';

const NO_GRACE = { draftExpiryMs: -1_000, graceMs: -1_000, splitGraceMs: -1_000 };
/** One of each kind of property that sees the settings, one that sees none, and one that is put together of others. */
const DEFINITIONS: ReadonlyMap<string, SegmentDefinition> = new Map([
  ['split', definition([condition('', 'PERCENTAGE_SPLIT', '50')])],
  ['key', definition([condition('$.identity.key', 'REGEX', '.*(7|user-3)$')])],
  ['named', definition([condition('$.environment.name', 'EQUAL', 'Old')])],
  ['renamed', definition([condition('$.environment.name', 'EQUAL', 'New'), condition('plan', 'EQUAL', 'pro')])],
  ['anywhere', definition([condition("$..['name','key']", 'EQUAL', 'Old')])],
  ['plain', definition([condition('plan', 'EQUAL', 'pro')])],
  [
    'mixed',
    definition([condition('', 'PERCENTAGE_SPLIT', '80'), condition('', 'not_in_segment', 'key')], { parent: 'split' }),
  ],
]);

let fixture: Fixture;
let applier: Applier;
let environment: Environment;
beforeAll(async () => {
  fixture = await createFixture();
  applier = createApplier(fixture.database);
});
afterAll(() => fixture.drop());
beforeEach(async () => {
  environment = await withSegments();
});

async function withSegments(): Promise<Environment> {
  const created = await fixture.environment({ name: 'Old' });
  for (const [key, of] of DEFINITIONS) await putSegment(fixture.database, created, key, of);
  await applyTo(applier, created, ...Array.from({ length: 30 }, (_, user) => identity(user)));
  await buildAll(fixture.database, created);
  return created;
}

const identity = (user: number) => ({
  ...upsert(`user-${user}`, { plan: user % 2 === 0 ? '"pro"' : '"free"' }),
  ...(user % 3 === 0 ? { keyOverride: String(user * 7) } : {}),
});

async function update(changes: EnvironmentChanges): Promise<void> {
  ({ environment } = await updateEnvironment(fixture.database, environment.key, changes, 'test'));
}

/** The members of every segment by the rules, under some settings. */
async function expectedUnder(settings: EnvironmentSettings): Promise<Record<string, number[]>> {
  const under = { ...environment, name: settings.name, identityKeyMode: settings.identityKeyMode };
  const truth = await readTruth(fixture.database, under);
  const members = [...DEFINITIONS.keys()].map((key) => {
    const isOne = ordinalsWhere(truth, (view) => isMember(key, view, { environment: under, definitions: DEFINITIONS }));
    return [key, isOne] as const;
  });
  return Object.fromEntries(members);
}

interface Answer {
  readonly members: readonly number[];
  readonly isPending: boolean;
}

/** What every segment answers; undefined where it does not. */
async function answers(index = createIndex(fixture.database, environment)): Promise<Record<string, Answer>> {
  const found: Record<string, Answer> = {};
  for (const key of DEFINITIONS.keys()) {
    const { set, served } = await selectSegment(fixture.database, index, key);
    found[key] = { members: [...set], isPending: served.isPending };
  }
  return found;
}

async function expectAll(settings: EnvironmentSettings): Promise<void> {
  const expected = Object.entries(await expectedUnder(settings));
  expect(await answers()).toEqual(
    Object.fromEntries(expected.map(([key, members]) => [key, { members, isPending: false }])),
  );
}

async function buildOne(): Promise<boolean> {
  const building = (await readAtoms(fixture.database.sql, environment.id)).find(({ state }) => state === 'building');
  if (building !== undefined) await buildAtom(fixture.database, environment, building.id, buildOptions());
  return building !== undefined;
}

describe('another mode of identity.key', () => {
  it('serves each segment by its earlier rules, which go on following changes, until its atoms are built, and never a mix', async () => {
    const [earlier, later] = [
      { name: 'Old', identityKeyMode: 'composite' },
      { name: 'Old', identityKeyMode: 'id' },
    ] as const;
    const index = createIndex(fixture.database, environment);
    await answers(index);
    await update({ identityKeyMode: 'id' });
    await applyTo(
      applier,
      environment,
      identity(40),
      identity(41),
      identity(42),
      remove('user-3'),
      setTraits('user-5', { plan: '"pro"' }),
    );
    await applyTo(applier, environment, { ...upsert('user-9'), keyOverride: '1007' });
    let pending = Infinity;
    let user = 10;
    do {
      await applyTo(
        applier,
        environment,
        { ...upsert(`user-${user}`), keyOverride: `${user++}7` },
        upsert(`new-${user}`),
      );
      const [old, now] = [await expectedUnder(earlier), await expectedUnder(later)];
      expect(old).not.toEqual(now);
      const found = await answers(index);
      for (const [key, { members, isPending }] of Object.entries(found))
        expect({ key, members }).toEqual({ key, members: (isPending ? old : now)[key] });
      const left = Object.values(found).filter(({ isPending }) => isPending).length;
      expect(left).toBeLessThanOrEqual(pending);
      expect(found['plain']?.isPending).toBe(false);
      if (pending === Infinity) expect(left).toBe(4);
      pending = left;
    } while (await buildOne());
    expect(pending).toBe(0);
    await expectAll(later);
  });

  it('gives back the earlier atoms where it is taken back before they are dropped, and builds nothing', async () => {
    const ids = (await readAtoms(fixture.database.sql, environment.id)).map(({ id }) => id);
    await update({ identityKeyMode: 'id' });
    await update({ identityKeyMode: 'composite' });
    await expectAll({ name: 'Old', identityKeyMode: 'composite' });
    await keepUpAtoms(fixture.database, environment, undefined);
    await dropExpiredAtoms(fixture.database, environment, NO_GRACE);
    expect((await readAtoms(fixture.database.sql, environment.id)).map(({ id }) => id)).toEqual(ids);
  });

  it('lets the earlier atoms go once no segment is served by them', async () => {
    await update({ identityKeyMode: 'id' });
    const upkeep = async () => {
      await keepUpAtoms(fixture.database, environment, undefined);
      await keepUpAtoms(fixture.database, environment, undefined);
      await dropExpiredAtoms(fixture.database, environment, NO_GRACE);
      const atoms = await readAtoms(fixture.database.sql, environment.id);
      return atoms.filter(({ definition: { settings } }) => settings?.identityKeyMode === 'composite').length;
    };
    const held = await upkeep();
    expect(held).toBeGreaterThan(3);
    expect((await findEnvironment(fixture.database.sql, environment.key))?.earlierSettings).toHaveLength(1);
    await buildAll(fixture.database, environment);
    expect(await upkeep()).toBe(0);
    expect((await findEnvironment(fixture.database.sql, environment.key))?.earlierSettings).toEqual([]);
    await expectAll({ name: 'Old', identityKeyMode: 'id' });
  });

  it('is what drafts are compiled for at once', async () => {
    await update({ identityKeyMode: 'id' });
    await buildAll(fixture.database, environment);
    const index = createIndex(fixture.database, environment);
    const draft = {
      kind: 'draft',
      key: 'split',
      definition: definition([condition('', 'PERCENTAGE_SPLIT', '50')]),
    } as const;
    const { count } = await countMembers(fixture.database, index, draft, { level: 'latest' });
    expect(count).toBe((await expectedUnder(environment))['split']?.length);
  });
});

describe('another name of an environment', () => {
  it('is in every answer at once where no atom of it is missing', async () => {
    await update({ name: 'Odd' });
    await buildAll(fixture.database, environment);
    await keepUpAtoms(fixture.database, environment, undefined);
    await update({ name: 'New' });
    const found = await answers();
    expect(found['renamed']).toEqual({ members: (await expectedUnder(environment))['renamed'], isPending: false });
    await buildAll(fixture.database, environment);
    await expectAll({ name: 'New', identityKeyMode: 'composite' });
    expect(found['named']?.members).toEqual([]);
  });

  it('is refused while too many names before it wait for their atoms', async () => {
    for (let n = 0; n < 8; n++) await update({ name: `n${n}` });
    await expect(update({ name: 'n9' })).rejects.toMatchObject({ reason: 'CONFLICT' });
    await buildAll(fixture.database, environment);
    await keepUpAtoms(fixture.database, environment, undefined);
    await update({ name: 'n9' });
  });
});

describe('an update of an environment', () => {
  it('that changes nothing takes no revision, and one of an environment that is not there says so', async () => {
    const same = await updateEnvironment(fixture.database, environment.key, { name: 'Old' }, 'test');
    expect(same.revisions).toEqual([]);
    await expect(updateEnvironment(fixture.database, 'nowhere', { name: 'x' }, 'test')).rejects.toMatchObject({
      reason: 'ENVIRONMENT_NOT_FOUND',
    });
  });

  it('of its source leaves what is served as it is, and is seen by readers with the catalog', async () => {
    const index = createIndex(fixture.database, environment);
    await answers(index);
    await update({ source: 'dynamodb' });
    await index.advance();
    expect(index.environment).toMatchObject({ source: 'dynamodb', state: 'ready', earlierSettings: [] });
    await expectAll({ name: 'Old', identityKeyMode: 'composite' });
  });
});

const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('set' as const),
      name: fc.constantFrom('Old', 'New'),
      identityKeyMode: fc.constantFrom<IdentityKeyMode>('composite', 'id'),
    }),
    fc.record({
      kind: fc.constant('change' as const),
      user: fc.nat(35),
      override: fc.constantFrom(undefined, '7', '17'),
    }),
    fc.record({ kind: fc.constant('build' as const) }),
    fc.record({ kind: fc.constant('upkeep' as const) }),
  ),
  { minLength: 4, maxLength: 14 },
);

describe('settings that change again and again', () => {
  it('give answers that are of one of them whole, of the newest where it says so, whatever is built and dropped between', async () => {
    const property = fc.asyncProperty(steps, async (all) => {
      environment = await withSegments();
      const index = createIndex(fixture.database, environment);
      for (const step of all) {
        if (step.kind === 'set') await update({ name: step.name, identityKeyMode: step.identityKeyMode });
        else if (step.kind === 'build') await buildOne();
        else if (step.kind === 'upkeep') {
          await dropSupersededVersions(fixture.database);
          await keepUpAtoms(fixture.database, environment, undefined);
          await dropExpiredAtoms(fixture.database, environment, NO_GRACE);
        } else {
          const change = { ...upsert(`user-${step.user}`), ...(step.override && { keyOverride: step.override }) };
          await applyTo(applier, environment, change);
        }
        const now = await expectedUnder(environment);
        const earlier = await Promise.all(environment.earlierSettings.map(expectedUnder));
        for (const [key, { members, isPending }] of Object.entries(await answers(index)))
          expect(isPending ? earlier.map((of) => of[key]) : [now[key]], key).toContainEqual(members);
      }
    });
    await checkProperty(property, 6);
  }, 100_000);
});
