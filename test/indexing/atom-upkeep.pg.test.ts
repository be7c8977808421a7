import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dropExpiredAtoms, keepUpAtoms } from '../../src/indexing/atom-upkeep.js';
import { registerAtoms } from '../../src/indexing/catalog-writer.js';
import { removeSegment } from '../../src/indexing/segment-writer.js';
import { dropSupersededVersions } from '../../src/indexing/superseded-versions.js';
import { Maintenance } from '../../src/indexing/maintenance.js';
import type { SegmentDefinition } from '../../src/core/segments.js';
import { readAtoms } from '../../src/storage/atoms.js';
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
  membersOf,
  putSegment,
  selectSegment,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

const HOUR_MS = 3_600_000;
const isPro = definition([condition('plan', 'EQUAL', 'pro')]);
const isFree = definition([condition('plan', 'EQUAL', 'free')]);
const half = definition([condition('', 'PERCENTAGE_SPLIT', '50')]);

let fixture: Fixture;
let environment: Environment;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
beforeEach(async () => {
  environment = await fixture.environment();
  await applyTo(
    createApplier(fixture.database),
    environment,
    upsert('a', { plan: '"pro"' }),
    upsert('b', { plan: '"free"' }),
  );
});

async function put(key: string, of: SegmentDefinition): Promise<void> {
  await putSegment(fixture.database, environment, key, of);
  await buildAll(fixture.database, environment);
}

async function remove(key: string): Promise<void> {
  await removeSegment(fixture.database, { project: environment.project, key, etag: '' }, 'test');
}

/** As time passes: whatever was noted and asked for becomes so much older. */
async function pass(ms: number): Promise<void> {
  await fixture.database.sql`
    update atom set used_at = used_at - ${ms} * interval '1 millisecond', unneeded_since = unneeded_since - ${ms} * interval '1 millisecond'
    where environment_id = ${environment.id}`;
}

/** A round of housekeeping with the default times; the operands of the atoms that are left. */
async function keepHouse(): Promise<string[]> {
  await dropSupersededVersions(fixture.database);
  await keepUpAtoms(fixture.database, environment, undefined);
  const expiry = { draftExpiryMs: 600_000, graceMs: 24 * HOUR_MS, splitGraceMs: HOUR_MS };
  await dropExpiredAtoms(fixture.database, environment, expiry);
  return (await readAtoms(fixture.database.sql, environment.id)).map(({ definition: { operand } }) => operand).sort();
}

const identities = async () =>
  (await readAtoms(fixture.database.sql, environment.id)).map(({ id, registeredRevision, state }) => ({
    id,
    registeredRevision,
    state,
  }));

describe('atoms that no segment needs any more', () => {
  it('are kept for a grace period and found again, as they are, by a segment that comes back to them', async () => {
    await put('pro', isPro);
    const built = await identities();
    await remove('pro');
    await keepHouse();
    await pass(23 * HOUR_MS);
    expect(await keepHouse()).toEqual(['pro']);
    await applyTo(createApplier(fixture.database), environment, setTraits('b', { plan: '"pro"' }));
    await putSegment(fixture.database, environment, 'again', isPro);
    expect(await identities()).toEqual(built);
    expect(await membersOf(fixture.database, environment, 'again')).toEqual(['a', 'b']);
    await pass(240 * HOUR_MS);
    expect(await keepHouse()).toEqual(['pro']);
  });

  it('are dropped after it, and the time begins anew each time', async () => {
    await put('pro', isPro);
    for (let time = 0; time < 2; time++) {
      await remove('pro');
      await keepHouse();
      await pass(20 * HOUR_MS);
      expect(await keepHouse()).toEqual(['pro']);
      await put('pro', isPro);
    }
    await remove('pro');
    await keepHouse();
    await pass(25 * HOUR_MS);
    expect(await keepHouse()).toEqual([]);
  });

  it('are those of an edited segment too, but not before its new rules are served', async () => {
    await put('s', isPro);
    await putSegment(fixture.database, environment, 's', isFree);
    await keepHouse();
    await pass(240 * HOUR_MS);
    expect(await keepHouse()).toEqual(['free', 'pro']);
    const { served } = await selectSegment(fixture.database, createIndex(fixture.database, environment), 's');
    expect(served.isPending).toBe(true);
    await buildAll(fixture.database, environment);
    await keepHouse();
    await pass(25 * HOUR_MS);
    expect(await keepHouse()).toEqual(['free']);
  });

  it('go within the hour where they are percentage splits, and their chunks with them', async () => {
    await put('half', half);
    await put('pro', isPro);
    await remove('half');
    await remove('pro');
    await keepHouse();
    await pass(HOUR_MS);
    expect(await keepHouse()).toEqual(['pro']);
    const left = await fixture.database.sql<{ id: number }[]>`
      select distinct atom_id as id from atom_chunk where environment_id = ${environment.id} and atom_id <> 0`;
    expect(left.map(({ id }) => id)).toEqual((await identities()).map(({ id }) => id));
  });

  it('are dropped while they are being built, too', async () => {
    await putSegment(fixture.database, environment, 'pro', isPro);
    await remove('pro');
    await keepHouse();
    await pass(25 * HOUR_MS);
    expect(await keepHouse()).toEqual([]);
  });

  it('are kept as long as another segment needs them, or asks for them in its rules', async () => {
    await put('one', isPro);
    await put('two', definition([condition('plan', 'EQUAL', 'pro'), condition('plan', 'IS_SET')]));
    await put('child', definition([condition('', 'in_segment', 'two')]));
    await remove('one');
    await keepHouse();
    await pass(240 * HOUR_MS);
    expect(await keepHouse()).toEqual(['', 'pro']);
  });
});

describe('the atoms of drafts', () => {
  const register = async (of: SegmentDefinition): Promise<void> => {
    const index = createIndex(fixture.database, environment);
    await index.advance();
    await registerAtoms(fixture.database, environment, index.catalog.atomsMissingFor('draft', of));
    await buildAll(fixture.database, environment);
  };

  it('are dropped some time after their last use', async () => {
    await register(isPro);
    expect(await keepHouse()).toEqual(['pro']);
    await pass(660_000);
    expect(await keepHouse()).toEqual([]);
  });

  it('are a segment’s from the moment that one needs them', async () => {
    await register(isPro);
    const built = await identities();
    await putSegment(fixture.database, environment, 'pro', isPro);
    expect(await identities()).toEqual(built);
    await pass(HOUR_MS);
    expect(await keepHouse()).toEqual(['pro']);
    await remove('pro');
    await keepHouse();
    await pass(HOUR_MS);
    expect(await keepHouse()).toEqual(['pro']);
  });
});

describe('the upkeep of atoms', () => {
  it('registers what a segment needs and what is missing, and does nothing where nothing has changed', async () => {
    await put('pro', isPro);
    const first = await keepUpAtoms(fixture.database, environment, undefined);
    expect(first?.committed).toBeUndefined();
    expect(await keepUpAtoms(fixture.database, environment, first?.found)).toBeUndefined();
    await fixture.database.sql`delete from atom where environment_id = ${environment.id} and id <> 0`;
    const second = await keepUpAtoms(fixture.database, environment, undefined);
    expect(second?.committed?.flips.catalogChanged).toBe(true);
    await buildAll(fixture.database, environment);
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual(['a']);
  });

  it('is part of maintenance', async () => {
    await put('pro', isPro);
    await remove('pro');
    const errors: unknown[] = [];
    const maintenance = new Maintenance(fixture.connect(), {
      foldMaxRevisions: 100,
      foldMaxBytes: 1_000_000,
      foldIntervalMs: 100_000,
      logRetentionMs: HOUR_MS,
      draftExpiryMs: -1_000,
      atomGraceMs: -1_000,
      buildRangeChunks: 2,
      deadLetterRetentionMs: HOUR_MS,
      auditRetentionMs: Infinity,
      onCommitted: () => undefined,
      onError: (error) => errors.push(error),
    });
    maintenance.run();
    await expect.poll(identities, { timeout: 15_000 }).toEqual([]);
    await maintenance.stop();
    expect(errors).toEqual([]);
  }, 20_000);
});
