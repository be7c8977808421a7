import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RollcallError } from '../../src/core/errors.js';
import type { Change } from '../../src/core/changes.js';
import type { Environment } from '../../src/storage/environments.js';
import { readLog } from '../../src/storage/log.js';
import {
  applyTo,
  batch,
  bitmapOf,
  buildAll,
  condition,
  createApplier,
  createFixture,
  createIndex,
  definition,
  type Fixture,
  membersOf,
  putSegment,
  readTruth,
  remove,
  setTraits,
  upsert,
} from '../helpers/fixture.js';
import { installFaults, type StatementFaults } from '../helpers/statement-faults.js';

let fixture: Fixture;
let environment: Environment;
let faults: StatementFaults;
beforeEach(async () => {
  fixture = await createFixture();
  environment = await fixture.environment({ ordinalMode: 'given' });
  await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'EQUAL', 'pro')]));
  await buildAll(fixture.database, environment);
  await applyTo(
    createApplier(fixture.database),
    environment,
    upsert('a', { plan: '"pro"' }, 1),
    upsert('b', { plan: '"pro"' }, 2),
    upsert('c', {}, 3),
  );
  faults = await installFaults(fixture.database);
});
afterEach(() => fixture.drop());

/** Writes of every kind: rows updated, inserted, deleted, brought to life under another name. */
const CHANGES: readonly Change[] = [
  setTraits('a', { plan: '"free"' }, 1),
  upsert('d', { plan: '"pro"' }, 4),
  remove('b', 2),
  upsert('c2', { plan: '"pro"' }, 3),
];

async function everything(): Promise<unknown> {
  const log = await readLog(fixture.database.sql, environment.id, 0, 1_000, 1_000);
  return [
    await readTruth(fixture.database, environment),
    log.map(({ revision, payload }) => [revision, payload.toString('hex')]),
  ];
}

describe('I2: identity rows and log row commit together or not at all', () => {
  it('when the connection is cut in the middle of any statement, the commit among them', async () => {
    const before = await everything();
    const applier = createApplier(fixture.database);
    let cuts = 0;
    for (;;) {
      await faults.arm('cut', cuts + 1);
      const failure = await applyTo(applier, environment, ...CHANGES).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) break;
      expect(failure).toBeInstanceOf(RollcallError);
      expect(failure).toMatchObject({ reason: 'DATABASE_UNAVAILABLE' });
      expect(await everything()).toEqual(before);
      cuts++;
    }
    expect(cuts).toBeGreaterThan(10);
    expect(await membersOf(fixture.database, environment, 'pro')).toEqual(['c2', 'd']);
  });

  it('when a statement meets a serialization failure or a deadlock: the batch is run again, and is there once', async () => {
    for (const [number, fault] of (['40001', '40P01'] as const).entries()) {
      await faults.arm(fault, 7);
      const { revisions } = await applyTo(
        createApplier(fixture.database),
        environment,
        upsert('e', { plan: `"${fault}"` }, 5),
        upsert('f', {}, 6 + number),
      );
      expect(await faults.count()).toBeGreaterThan(7);
      expect(revisions.get(environment.key)).toBe((await readTruth(fixture.database, environment)).revision);
      const index = createIndex(fixture.database, environment);
      expect([...((await bitmapOf(index, 0)) ?? [])]).toEqual(
        (await readTruth(fixture.database, environment)).identities.map(({ id }) => id),
      );
    }
  });

  it('when one change of many is refused: nothing of the batch is there, and the error has its index', async () => {
    const before = await everything();
    const many = Array.from({ length: 500 }, (_, index) => upsert(`many-${index}`, {}, 1_000 + index));
    const refused = createApplier(fixture.database).apply(
      batch(environment, [...many, upsert('without-an-id'), ...CHANGES]),
    );
    await expect(refused).rejects.toMatchObject({ reason: 'IDENTITY_ID_REQUIRED', metadata: { index: '500' } });
    expect(await everything()).toEqual(before);
  });

  it('across two environments in one batch', async () => {
    const other = await fixture.environment();
    const applier = createApplier(fixture.database);
    const changes = [...batch(other, [upsert('x')]), ...batch(environment, [upsert('without-an-id')])];
    await expect(applier.apply(changes)).rejects.toMatchObject({ reason: 'IDENTITY_ID_REQUIRED' });
    expect((await readTruth(fixture.database, other)).identities).toEqual([]);
    const { revisions } = await applier.apply([
      ...batch(other, [upsert('x')]),
      ...batch(environment, [upsert('d', {}, 4)]),
    ]);
    expect([...revisions.keys()].sort()).toEqual([environment.key, other.key].sort());
    expect((await readTruth(fixture.database, other)).identities).toHaveLength(1);
  });
});
