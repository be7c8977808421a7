import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../helpers/postgres.js';
import {
  all,
  apply,
  condition,
  people,
  putSegment,
  readStream,
  refusal,
  segmentSelector,
  startTestRollcall,
  type TestRollcall,
} from '../../helpers/rollcall.js';
import { readExposition, valueOf } from './exposition.js';

let database: TestDatabase;
let server: TestRollcall;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestRollcall(database.url);
  await server.environments.create({ environment: { key: 'default' } });
  await apply(server, people(20));
  await putSegment(server, 'even', [all(condition('even', 'EQUAL', 'yes'))]);
});

afterAll(async () => {
  await server.stop();
  await database.drop();
});

async function scrape({ httpAddress }: Pick<TestRollcall, 'httpAddress'> = server) {
  const response = await fetch(`http://${httpAddress}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return readExposition(await response.text());
}

const COUNT = { method: 'rollcall.v1.MembershipService/Count' };

describe('the page of metrics', () => {
  it('has a help and a well-formed name for each of ours', async () => {
    const ours = [...(await scrape())].filter(([name]) => name.startsWith('rollcall_'));
    expect(ours.length).toBeGreaterThan(30);
    for (const [name, { type, help }] of ours) {
      expect(help, name).toMatch(/^[A-Z0-9].*[^.]$/);
      if (type === 'counter') expect(name).toMatch(/_total$/);
      else expect(name).not.toMatch(/_total$/);
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    }
  });

  it('counts calls by method and code, refused ones and streams too', async () => {
    const before = await scrape();
    await server.membership.count({ selector: segmentSelector('even') });
    await refusal(server.membership.count({ selector: segmentSelector('nobody') }));
    await readStream(server, { selector: segmentSelector('even') });
    const after = await scrape();
    const rise = (name: string, labels: Record<string, string>): number =>
      (valueOf(after, name, labels) ?? 0) - (valueOf(before, name, labels) ?? 0);
    expect(rise('rollcall_rpc_calls_total', { ...COUNT, code: 'OK' })).toBe(1);
    expect(rise('rollcall_rpc_calls_total', { ...COUNT, code: 'NOT_FOUND' })).toBe(1);
    expect(rise('rollcall_rpc_seconds_count', COUNT)).toBe(2);
    const streamed = { method: 'rollcall.v1.MembershipService/StreamMembers', code: 'OK' };
    expect(rise('rollcall_rpc_calls_total', streamed)).toBe(1);
    expect(valueOf(after, 'rollcall_rpc_open_streams')).toBe(0);
  });

  it('counts a stream that its reader left as cancelled', async () => {
    await apply(server, people(10_000, 'x'.repeat(1_000)), 2_000);
    const streamed = { method: 'rollcall.v1.MembershipService/StreamMembers', code: 'CANCELLED' };
    const before = valueOf(await scrape(), 'rollcall_rpc_calls_total', streamed) ?? 0;
    const stream = server.membership.streamMembers({ selector: segmentSelector('even') })[Symbol.asyncIterator]();
    expect((await stream.next()).done).toBe(false);
    await stream.return?.();
    await expect.poll(async () => valueOf(await scrape(), 'rollcall_rpc_calls_total', streamed)).toBe(before + 1);
  });

  it('tells batches, changes and the index', async () => {
    const before = await scrape();
    const revision = await apply(server, people(20), 10);
    await server.membership.count({
      selector: segmentSelector('even'),
      freshness: { level: { case: 'atLeastRevision', value: revision } },
    });
    const after = await scrape();
    const applied = { outcome: 'applied' };
    expect(valueOf(after, 'rollcall_applier_batches_total', applied)).toBe(
      (valueOf(before, 'rollcall_applier_batches_total', applied) ?? 0) + 2,
    );
    expect(valueOf(after, 'rollcall_applier_changes_total')).toBe(
      (valueOf(before, 'rollcall_applier_changes_total') ?? 0) + 20,
    );
    expect(valueOf(after, 'rollcall_index_identities', { environment: 'default' })).toBe(10_020);
    expect(valueOf(after, 'rollcall_index_revision', { environment: 'default' })).toBe(Number(revision));
    expect(valueOf(after, 'rollcall_index_as_of_age_seconds', { environment: 'default' })).toBeLessThan(5);
    expect(valueOf(after, 'rollcall_atoms', { state: 'ready' })).toBe(2);
    expect(valueOf(after, 'rollcall_log_revisions')).toBeGreaterThan(0);
    expect(valueOf(after, 'rollcall_database_reachable')).toBe(1);
    expect(valueOf(after, 'rollcall_cache_bytes', { cache: 'chunks' })).toBeGreaterThan(0);
    expect(valueOf(after, 'rollcall_cache_hits_total', { cache: 'composed' })).toBeGreaterThan(
      valueOf(before, 'rollcall_cache_hits_total', { cache: 'composed' }) ?? 0,
    );
    expect(valueOf(after, 'rollcall_feed_state', { state: 'off' })).toBe(1);
    expect(valueOf(after, 'rollcall_maintenance_seconds_count', { work: 'build' })).toBeGreaterThan(0);
    expect(valueOf(after, 'process_resident_memory_bytes')).toBeGreaterThan(1_000_000);
  });

  it('is of one server only, where a process has several', async () => {
    const other = await startTestRollcall(database.url);
    try {
      const metrics = await scrape(other);
      expect(valueOf(metrics, 'rollcall_rpc_calls_total', COUNT)).toBeUndefined();
      expect(valueOf(metrics, 'rollcall_index_environments')).toBe(0);
      expect(valueOf(await scrape(), 'rollcall_rpc_calls_total', COUNT)).toBeGreaterThan(0);
    } finally {
      await other.stop();
    }
  });
});

it('goes on without the database', async () => {
  const lonely = await createTestDatabase();
  const running = await startTestRollcall(lonely.url);
  try {
    await running.environments.create({ environment: { key: 'default' } });
    expect(valueOf(await scrape(running), 'rollcall_dead_letters')).toBe(0);
    await lonely.drop();
    const metrics = await scrape(running);
    expect(valueOf(metrics, 'rollcall_database_reachable')).toBe(0);
    expect(valueOf(metrics, 'rollcall_dead_letters')).toBeUndefined();
    expect(valueOf(metrics, 'rollcall_rpc_open_streams')).toBe(0);
  } finally {
    await running.stop();
  }
});
