import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fold } from '../../src/indexing/fold.js';
import type { Environment } from '../../src/storage/environments.js';
import {
  applyTo,
  buildAll,
  condition,
  createApplier,
  createFixture,
  definition,
  type Fixture,
  putSegment,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

const IDENTITIES = 3_000;
const CHANGED = 400;
const ROUNDS = 30;

let fixture: Fixture;
let environment: Environment;
beforeAll(async () => {
  fixture = await createFixture();
  environment = await fixture.environment();
  await putSegment(fixture.database, environment, 'pro', definition([condition('plan', 'EQUAL', 'pro')]));
  await buildAll(fixture.database, environment);
});
afterAll(() => fixture.drop());

/** Settings of a table's storage by name. */
async function settingsOf(table: string): Promise<Record<string, number>> {
  const rows = await fixture.database.sql<{ name: string; value: string }[]>`
    select option_name as name, option_value as value
    from pg_class, pg_options_to_table(reloptions) where oid = ${table}::regclass`;
  return Object.fromEntries(rows.map(({ name, value }) => [name, Number(value)]));
}

async function bytesOf(table: string): Promise<number> {
  const [row] = await fixture.database.sql<{ bytes: number }[]>`
    select pg_total_relation_size(${table}::regclass)::float8 as bytes`;
  return row?.bytes ?? 0;
}

/** Updates of a table, and those of them that wrote no index, once at least so many are known. */
async function updatesOf(table: string, least: number): Promise<{ all: number; hot: number }> {
  return vi.waitFor(
    async () => {
      const [row] = await fixture.database.sql<{ all: number; hot: number }[]>`
        select n_tup_upd::int as "all", n_tup_hot_upd::int as hot from pg_stat_user_tables where relname = ${table}`;
      if (row === undefined || row.all < least) throw new Error(`${row?.all ?? 0} updates of ${table} are known`);
      return row;
    },
    { timeout: 10_000 },
  );
}

describe('tables whose rows are updated for ever', () => {
  it.each([
    ['identity', 0.02, 85],
    ['atom', 0.05, 50],
    ['atom_chunk', 0.05, undefined],
    ['atom_log', 0.1, undefined],
    ['backfill_touch', 0.05, undefined],
  ])('%s is vacuumed at a share of at most %d, without pauses', async (table, share, fillfactor) => {
    const settings = await settingsOf(table);
    expect(settings['autovacuum_vacuum_scale_factor']).toBeLessThanOrEqual(share);
    expect(settings['autovacuum_vacuum_cost_delay']).toBe(0);
    expect(settings['fillfactor']).toBe(fillfactor);
  });

  it.each(['environment_head', 'kafka_offset'])(
    '%s keeps room on its pages, and is vacuumed by number',
    async (table) => {
      const settings = await settingsOf(table);
      expect(settings).toMatchObject({ autovacuum_vacuum_scale_factor: 0, autovacuum_vacuum_threshold: 500 });
      expect(settings['fillfactor']).toBeLessThanOrEqual(50);
    },
  );

  it('the index of identities is kept visible, so that pages of members are read from it alone', async () => {
    const settings = await settingsOf('identity');
    expect(settings['autovacuum_vacuum_insert_scale_factor']).toBeLessThanOrEqual(0.02);
  });
});

describe('churn', () => {
  it('mostly writes identities in place, and with vacuums lets no table grow for ever', async () => {
    const { sql } = fixture.database;
    const writing = fixture.connect();
    const applier = createApplier(writing);
    const users = Array.from({ length: IDENTITIES }, (_, n) => `user-${n}`);
    await applyTo(applier, environment, ...users.map((user) => upsert(user, { plan: '"free"', n: '0' })));
    await sql.unsafe('vacuum analyze');
    const sizes: Record<string, number>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const changed = users.filter((_, n) => (n + round) % Math.floor(IDENTITIES / CHANGED) === 0);
      const plan = round % 2 === 0 ? '"pro"' : '"free"';
      await applyTo(applier, environment, ...changed.map((user) => setTraits(user, { plan, n: String(round) })));
      await fold(writing, environment.id, 10_000_000);
      for (const table of ['identity', 'environment_head', 'atom', 'atom_chunk'])
        await sql.unsafe(`vacuum (truncate off) ${table}`);
      sizes.push({
        identity: await bytesOf('identity'),
        environment_head: await bytesOf('environment_head'),
        atom: await bytesOf('atom'),
        atom_chunk: await bytesOf('atom_chunk'),
      });
    }
    const [warm, last] = [sizes[Math.floor(ROUNDS / 3)], sizes.at(-1)];
    for (const table of Object.keys(last ?? {}))
      expect(last?.[table], table).toBeLessThanOrEqual(1.1 * (warm?.[table] ?? 0));
    // A connection that ends tells what it counted.
    await writing.close(1_000);
    const { all, hot } = await updatesOf('identity', ROUNDS * CHANGED);
    expect(hot / all).toBeGreaterThan(0.9);
    const heads = await updatesOf('environment_head', ROUNDS);
    expect(heads.hot / heads.all).toBeGreaterThan(0.9);
  });
});
