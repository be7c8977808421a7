import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EnvironmentChange } from '../../src/indexing/applier.js';
import { Applier } from '../../src/indexing/applier.js';
import { createEnvironment } from '../../src/indexing/catalog-writer.js';
import { turnOrganisation } from '../../src/indexing/turn-organisation.js';
import { type Environment, findEnvironment } from '../../src/storage/environments.js';
import { createTestDatabase, type TestDatabase } from '../helpers/postgres.js';

let database: TestDatabase;
let applier: Applier;

beforeEach(async () => {
  database = await createTestDatabase();
  applier = new Applier(database.db, () => undefined);
});
afterEach(() => database.drop());

const create = (key: string, source: '' | 'dynamodb' = '') =>
  createEnvironment(
    database.db,
    {
      key,
      name: key,
      project: 'p',
      organisation: 'acme',
      ordinalMode: 'allotted',
      identityKeyMode: 'composite',
      source,
    },
    'ada',
  );

const turn = (gate: '' | 'flag' | 'denylist', whenOff: 'keep' | 'purge' = 'keep') =>
  turnOrganisation(database.db, 'acme', gate, whenOff);

const found = async (key = 'e'): Promise<Environment> => {
  const environment = await findEnvironment(database.db.sql, key);
  if (environment === undefined) throw new Error('no such environment');
  return environment;
};

const change = (identifier: string): EnvironmentChange => ({
  index: 0,
  environmentKey: 'e',
  change: { kind: 'upsert', identifier, traits: new Map() },
});

/** As the feed applies; `during` runs while the transaction is open, after all else was done in it. */
const feed = (identifier: string, during: () => Promise<void> = () => Promise.resolve()) =>
  applier.apply([change(identifier)], { passesOver: true, alongside: during });

const isStored = async (identifier: string): Promise<boolean> => {
  const [row] = await database.db.sql`select from identity where identifier = ${identifier}`;
  return row !== undefined;
};

describe('an environment that is on again', () => {
  it('is ready where nothing was passed over', async () => {
    await create('e');
    await turn('flag');
    expect(await found()).toMatchObject({ state: 'off', stateReason: 'flag' });
    await turn('');
    expect(await found()).toMatchObject({ state: 'ready', stateReason: '' });
  });

  it('must be reloaded where a change was passed over', async () => {
    await create('e');
    await turn('flag');
    expect(await feed('bob')).toMatchObject({ passedOver: 1, revisions: new Map() });
    expect(await isStored('bob')).toBe(false);
    await turn('');
    expect(await found()).toMatchObject({ state: 'failed', stateReason: 'RELOAD_REQUIRED' });
  });

  it('is loading where it has a source', async () => {
    await create('e', 'dynamodb');
    await turn('denylist');
    await turn('');
    expect(await found()).toMatchObject({ state: 'loading' });
  });

  it('was created while it was off and is ready', async () => {
    await turn('flag');
    expect(await create('e')).toMatchObject({ state: 'off', stateReason: 'flag' });
    await turn('');
    expect(await found()).toMatchObject({ state: 'ready' });
  });

  it('was emptied and must be reloaded', async () => {
    const before = await create('e');
    await feed('bob');
    await turn('flag', 'purge');
    const after = await found();
    expect(after).toMatchObject({ ...before, id: after.id, state: 'off', stateReason: 'flag', hasGap: true });
    expect(after.id).not.toBe(before.id);
    await turn('');
    expect(await found()).toMatchObject({ state: 'failed', stateReason: 'RELOAD_REQUIRED' });
  });
});

describe('a gate that turns while a batch is under way', () => {
  it('waits where the batch passes changes over, and then knows of the gap', async () => {
    await create('e');
    await turn('flag');
    let turned: Promise<unknown> = Promise.resolve();
    await feed('bob', () => {
      turned = turn('');
      return new Promise((resolve) => setTimeout(resolve, 200));
    });
    await turned;
    expect(await isStored('bob')).toBe(false);
    expect(await found()).toMatchObject({ state: 'failed', stateReason: 'RELOAD_REQUIRED' });
  });

  it('on makes a batch that read it off start again and store its changes', async () => {
    await create('e');
    await turn('flag');
    const blocker = await holdEnvironments();
    const fed = feed('bob');
    await blocker.untilWaited();
    await blocker.turnOnAndRelease();
    expect(await fed).toMatchObject({ passedOver: 0 });
    expect(await isStored('bob')).toBe(true);
    expect(await found()).toMatchObject({ state: 'ready' });
  });

  it('off leaves what the batch stores', async () => {
    await create('e');
    let turned: Promise<unknown> = Promise.resolve();
    await feed('bob', () => {
      turned = turn('flag');
      return new Promise((resolve) => setTimeout(resolve, 200));
    });
    await turned;
    expect(await isStored('bob')).toBe(true);
    await turn('');
    expect(await found()).toMatchObject({ state: 'ready' });
  });
});

/** Keeps the row of the environment locked, turned on, until it is released. */
async function holdEnvironments() {
  const { inTransaction } = await import('../../src/storage/database.js');
  let release: () => void = () => undefined;
  let isHeld: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (isHeld = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  const done = inTransaction(database.db, { isolation: 'read committed' }, async (tx) => {
    await tx`update environment set state = 'ready', state_reason = '' where key = 'e'`;
    isHeld();
    await released;
  });
  await held;
  return {
    async untilWaited() {
      for (;;) {
        const [row] = await database.db.sql`
          select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%has_gap = true%'`;
        if (row !== undefined) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async turnOnAndRelease() {
      release();
      await done;
    },
  };
}

it('of processes that turn the same gate one turns it', async () => {
  await create('e');
  const turns = await Promise.all(Array.from({ length: 5 }, () => turn('flag')));
  expect(turns.filter((one) => one !== undefined)).toHaveLength(1);
  const rows = await database.db.sql`select from audit_entry where subject = 'organisation'`;
  expect(rows).toHaveLength(1);
});

it('no environment of an organisation that is off is created on, however the two meet', async () => {
  const keys = Array.from({ length: 10 }, (_, n) => `e${n}`);
  await Promise.all([
    ...keys.slice(0, 5).map((key) => create(key)),
    turn('flag'),
    ...keys.slice(5).map((key) => create(key)),
  ]);
  for (const key of keys) expect(await found(key)).toMatchObject({ state: 'off' });
});
