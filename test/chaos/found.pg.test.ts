import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Change } from '../../src/core/changes.js';
import type { Environment } from '../../src/storage/environments.js';
import { inTransaction } from '../../src/storage/database.js';
import { waitUntilBlocked } from '../helpers/blocked-backends.js';
import { batch, createApplier, createFixture, type Fixture, remove, setTraits, upsert } from '../helpers/fixture.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

/** Applies changes, those that cannot be applied left out; which ones were. */
async function refusedOf(environment: Environment, changes: readonly Change[]): Promise<number[]> {
  const found: number[] = [];
  await createApplier(fixture.database).apply(batch(environment, changes), {
    alongside: (_tx, refused) => {
      found.splice(0, Infinity, ...refused.map(({ index }) => index));
      return Promise.resolve();
    },
  });
  return found;
}

describe('What the harness found', () => {
  it('a connection that is lost while a batch is prepared fails the batch and nothing else', async () => {
    const environment = await fixture.environment();
    const unhandled: unknown[] = [];
    const note = (reason: unknown): number => unhandled.push(reason);
    process.on('unhandledRejection', note);
    const applier = createApplier(fixture.connect());
    const outcome = await inTransaction(fixture.database, { isolation: 'read committed' }, async (tx) => {
      await tx`lock table quarantined_identity, identity in access exclusive mode`;
      const applied = applier.apply(batch(environment, [upsert('anna')])).catch((error: unknown) => error);
      await waitUntilBlocked(fixture.database, 1);
      await tx`select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
      return applied;
    });
    expect(outcome).toMatchObject({ reason: 'DATABASE_UNAVAILABLE' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  it('a change without an id after a delete is refused where ids are given, in one batch as in two', async () => {
    const inTwo = await fixture.environment({ ordinalMode: 'given' });
    await refusedOf(inTwo, [upsert('anna', {}, 5), remove('anna')]);
    expect(await refusedOf(inTwo, [setTraits('anna', { plan: '"pro"' })])).toEqual([0]);
    const inOne = await fixture.environment({ ordinalMode: 'given' });
    const changes = [upsert('anna', {}, 5), remove('anna'), setTraits('anna', { plan: '"pro"' })];
    expect(await refusedOf(inOne, changes)).toEqual([2]);
  });
});
