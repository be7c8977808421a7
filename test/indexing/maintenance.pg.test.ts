import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Maintenance, type MaintenanceOptions } from '../../src/indexing/maintenance.js';
import { readAtoms } from '../../src/storage/atoms.js';
import type { Environment } from '../../src/storage/environments.js';
import {
  applyTo,
  condition,
  createApplier,
  createFixture,
  definition,
  type Fixture,
  putSegment,
  upsert,
} from '../helpers/fixture.js';

let fixture: Fixture;
let maintenance: Maintenance;
let errors: unknown[];
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());
beforeEach(() => {
  errors = [];
  maintenance = createMaintenance();
});
afterEach(() => maintenance.stop());

function createMaintenance(options: Partial<MaintenanceOptions> = {}): Maintenance {
  return new Maintenance(fixture.connect(), {
    foldMaxRevisions: 1,
    foldMaxBytes: 1_000_000,
    foldIntervalMs: 100,
    logRetentionMs: 3_600_000,
    draftExpiryMs: 3_600_000,
    atomGraceMs: 3_600_000,
    buildRangeChunks: 2,
    deadLetterRetentionMs: 3_600_000,
    auditRetentionMs: Infinity,
    onCommitted: () => undefined,
    onError: (error) => errors.push(error),
    ...options,
  });
}

/** An environment with members, and some segments to be built. */
async function withSegments(key: string, count: number): Promise<Environment> {
  const environment = await fixture.environment({ key, project: key });
  await applyTo(createApplier(fixture.database), environment, upsert('a', { n: '1' }), upsert('b', { n: '2' }));
  for (let n = 0; n < count; n++)
    await putSegment(fixture.database, environment, `s${n}`, definition([condition('n', 'LESS_THAN', String(n + 5))]));
  return environment;
}

/** Whatever writes chunks of the environment runs `statement` first. */
async function onChunksOf({ id }: Environment, statement: string): Promise<void> {
  await fixture.database.sql.unsafe(`
    create function before_chunk_${id}() returns trigger language plpgsql as $$ begin ${statement}; return new; end $$;
    create trigger before_chunk_${id} before insert on atom_chunk for each row when (new.environment_id = ${id}) execute function before_chunk_${id}()`);
}

async function statesOf({ id }: Environment): Promise<string[]> {
  return (await readAtoms(fixture.database.sql, id)).map(({ state }) => state);
}

describe('maintenance', () => {
  it('of one environment that fails keeps no other from being folded and built', async () => {
    const broken = await withSegments('1-broken', 18);
    await onChunksOf(broken, `raise exception 'no'`);
    const sound = await withSegments('2-sound', 1);
    maintenance.run();
    await expect.poll(() => statesOf(sound), { timeout: 20_000 }).toEqual(['ready']);
    const chunks = () =>
      fixture.database.sql`select from atom_chunk where environment_id = ${sound.id} and atom_id = 0`;
    await expect.poll(async () => (await chunks()).length, { timeout: 10_000 }).toBe(1);
    expect(errors.length).toBeGreaterThan(0);
    expect(new Set(await statesOf(broken))).toEqual(new Set(['building']));
  }, 40_000);

  it('that stops leaves its builds to others at once', async () => {
    const environment = await withSegments('3-slow', 1);
    await onChunksOf(environment, 'perform pg_sleep(1)');
    const owners = () => fixture.database.sql<{ owner: string }[]>`
      select lease_owner as owner from atom where environment_id = ${environment.id} and id <> 0`;
    maintenance.run();
    await expect.poll(async () => (await owners())[0]?.owner, { timeout: 10_000, interval: 10 }).not.toBe('');
    await maintenance.stop();
    expect(await owners()).toEqual([{ owner: '' }]);
    expect(await statesOf(environment)).toEqual(['building']);
  }, 20_000);

  it('removes entries of the audit trail once they are older than they are kept, and none where they are kept for ever', async () => {
    const { sql } = fixture.database;
    const environment = await fixture.environment();
    await sql`update audit_entry set at = now() - interval '2 hours' where key = ${environment.key}`;
    await fixture.environment({ key: 'of-today' });
    const keys = async () => (await sql<{ key: string }[]>`select key from audit_entry`).map(({ key }) => key);
    maintenance.run();
    await putExpiredDeadLetter();
    await expect.poll(countDeadLetters, { timeout: 20_000 }).toBe(0);
    expect(await keys()).toContain(environment.key);
    const expiring = createMaintenance({ auditRetentionMs: 3_600_000 });
    expiring.run();
    await expect.poll(keys, { timeout: 20_000 }).not.toContain(environment.key);
    expect(await keys()).toContain('of-today');
    await expiring.stop();
  }, 40_000);
});

/** Gone once the house was kept. */
async function putExpiredDeadLetter(): Promise<void> {
  await fixture.database.sql`
    insert into dead_letter (cluster, topic, partition, message_offset, message_headers, message_at, reason, explanation, environment_key, identifier, created_at)
    values ('c', 't', 0, 0, '{}', now(), 'INTERNAL', '', '', '', now() - interval '2 hours')`;
}

async function countDeadLetters(): Promise<number> {
  return (await fixture.database.sql`select from dead_letter`).length;
}
