import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ErrorReason } from '../../src/gen/rollcall/v1/error_reason_pb.js';
import { OrdinalMode } from '../../src/gen/rollcall/v1/environment_service_pb.js';
import { insertDeadLetters, type NewDeadLetter } from '../../src/storage/dead-letters.js';
import { quarantine } from '../../src/storage/quarantine.js';
import { createTestDatabase, type TestDatabase } from '../helpers/postgres.js';
import { setTraitsMessage, upsertMessage } from '../helpers/kafka-feed.js';
import { apply, int, refusal, startTestRollcall, type TestRollcall, upsert } from '../helpers/rollcall.js';

let database: TestDatabase;
let server: TestRollcall;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestRollcall(database.url);
  await server.environments.create({ environment: { key: 'default' } });
  await server.environments.create({ environment: { key: 'given', ordinalMode: OrdinalMode.GIVEN } });
});

afterAll(async () => {
  await server.stop();
  await database.drop();
});

beforeEach(async () => {
  await database.db.sql`delete from dead_letter`;
  await database.db.sql`delete from quarantined_identity`;
});

const ALL = { case: 'filter', value: {} } as const;
let nextOffset = 0;

function letter(value: Buffer | null, rest: Partial<NewDeadLetter> = {}): NewDeadLetter {
  return {
    cluster: 'cluster',
    topic: 'changes',
    partition: 0,
    offset: nextOffset++,
    key: null,
    value,
    headers: {},
    timestampMs: Date.now(),
    reason: 'INVALID_REQUEST',
    explanation: 'it was not understood',
    environmentKey: '',
    identifier: '',
    ...rest,
  };
}

async function keep(...letters: readonly NewDeadLetter[]): Promise<bigint[]> {
  await insertDeadLetters(database.db.sql, letters);
  return (await server.index.listDeadLetters({})).deadLetters.map(({ id }) => id);
}

/** A partial change that was put aside, and its identity quarantined for it. */
async function skip(identifier: string, plan: string, environmentKey = 'default'): Promise<void> {
  const { value } = setTraitsMessage(environmentKey, identifier, { plan });
  await insertDeadLetters(database.db.sql, [letter(value, { environmentKey, identifier })]);
  await quarantine(database.db.sql, [{ environmentKey, identifier }]);
}

async function traitsOf(identifier: string): Promise<unknown> {
  const [row] = await database.db.sql<{ traits: unknown }[]>`
    select traits::text as traits from identity join environment on environment.id = environment_id
    where environment.key = 'default' and identifier = ${identifier} and deleted_revision is null`;
  return row?.traits;
}

async function quarantined(): Promise<string[]> {
  const { environments } = await server.index.getStatus({ environment: 'default' });
  const [environment] = environments;
  expect(environment?.quarantinedIdentities).toBe(BigInt(environment?.quarantined.length ?? 0));
  return (environment?.quarantined ?? []).map(({ identifier }) => identifier);
}

describe('listing dead letters', () => {
  it('goes page by page in the order in which they were put aside', async () => {
    const ids = await keep(...Array.from({ length: 5 }, () => letter(Buffer.from('?'))));
    const seen: bigint[] = [];
    for (let pageToken = ''; ;) {
      const page = await server.index.listDeadLetters({ pageSize: 2, pageToken });
      expect(page.deadLetters.length).toBeLessThanOrEqual(2);
      seen.push(...page.deadLetters.map(({ id }) => id));
      if ((pageToken = page.nextPageToken) === '') break;
    }
    expect(seen).toEqual(ids);
    expect(seen).toHaveLength(5);
  });

  it('filters by environment, topic and reason together', async () => {
    await keep(
      letter(null, { environmentKey: 'a', topic: 'one' }),
      letter(null, { environmentKey: 'a', topic: 'two' }),
      letter(null, { environmentKey: 'b', topic: 'one', reason: 'ENVIRONMENT_NOT_FOUND' }),
    );
    const listed = async (filter: { environment?: string; topic?: string; reason?: ErrorReason }): Promise<number> =>
      (await server.index.listDeadLetters({ filter })).deadLetters.length;
    expect(await listed({ environment: 'a' })).toBe(2);
    expect(await listed({ topic: 'one' })).toBe(2);
    expect(await listed({ environment: 'a', topic: 'one' })).toBe(1);
    expect(await listed({ reason: ErrorReason.ENVIRONMENT_NOT_FOUND })).toBe(1);
    expect(await listed({ environment: 'a', reason: ErrorReason.ENVIRONMENT_NOT_FOUND })).toBe(0);
  });

  it('shows how large messages begin, or whole ones on shorter pages', async () => {
    const value = Buffer.alloc(1_500_000, 'x');
    const kept = letter(value, { key: Buffer.from('key'), headers: { 'content-type': 'text/plain' } });
    await keep(kept, letter(value), letter(null));
    const begun = await server.index.listDeadLetters({});
    expect(begun.deadLetters.map(({ value: shown }) => shown?.length)).toEqual([1_024, 1_024, undefined]);
    expect(begun.deadLetters[0]).toMatchObject({
      topic: 'changes',
      offset: BigInt(kept.offset),
      valueBytes: 1_500_000n,
      headers: { 'content-type': 'text/plain' },
      reason: ErrorReason.INVALID_REQUEST,
      explanation: 'it was not understood',
    });
    const whole = await server.index.listDeadLetters({ whole: true });
    expect(whole.deadLetters.map(({ value: shown }) => shown?.length)).toEqual([1_500_000]);
    const rest = await server.index.listDeadLetters({ whole: true, pageToken: whole.nextPageToken });
    expect(rest.deadLetters.map(({ value: shown }) => shown?.length)).toEqual([1_500_000, undefined]);
    expect(rest.nextPageToken).toBe('');
  });

  it('refuses a token of another list', async () => {
    const { nextPageToken } = await server.environments.list({ pageSize: 1 });
    expect(await refusal(server.index.listDeadLetters({ pageToken: nextPageToken }))).toMatchObject({
      reason: 'INVALID_CURSOR',
    });
  });
});

describe('replaying dead letters', () => {
  it('applies them in their order, over what is newer, and ends the quarantine', async () => {
    await apply(server, [upsert('ada', { n: int(1), plan: { kind: { case: 'stringValue', value: 'newest' } } })]);
    await skip('ada', 'first');
    await skip('ada', 'second');
    expect(await quarantined()).toEqual(['ada']);
    const { replayed, failed, revisions } = await server.index.replayDeadLetters({ selection: ALL });
    expect({ replayed, failed }).toEqual({ replayed: 2n, failed: [] });
    expect(await traitsOf('ada')).toBe('{"n": 1, "plan": "second"}');
    expect(await quarantined()).toEqual([]);
    expect((await server.index.listDeadLetters({})).deadLetters).toEqual([]);
    const { environments } = await server.index.getStatus({ environment: 'default' });
    expect(revisions['default']).toBe(environments[0]?.revision);
  });

  it('keeps an identity quarantined while another letter about it is left', async () => {
    await skip('ben', 'first');
    await skip('ben', 'second');
    const [first = 0n, second = 0n] = await keep();
    await server.index.replayDeadLetters({ selection: { case: 'ids', value: { ids: [first] } } });
    expect(await quarantined()).toEqual(['ben']);
    await server.index.replayDeadLetters({ selection: { case: 'ids', value: { ids: [second] } } });
    expect(await quarantined()).toEqual([]);
  });

  it('leaves those that fail again, and says why', async () => {
    await skip('cleo', 'pro');
    await skip('cleo', 'pro', 'nowhere');
    await skip('cleo', 'pro', 'given');
    const ids = await keep(letter(Buffer.from('garbage')));
    const { replayed, failed } = await server.index.replayDeadLetters({ selection: ALL });
    expect(replayed).toBe(1n);
    expect(failed.map(({ id, reason }) => [id, reason])).toEqual([
      [ids[1], ErrorReason.ENVIRONMENT_NOT_FOUND],
      [ids[2], ErrorReason.IDENTITY_ID_REQUIRED],
      [ids[3], ErrorReason.INVALID_REQUEST],
    ]);
    expect(failed[0]?.explanation).toContain('nowhere');
    expect((await server.index.listDeadLetters({})).deadLetters.map(({ id }) => id)).toEqual(ids.slice(1));
    expect(await traitsOf('cleo')).toBe('{"plan": "pro"}');
  });

  it('goes page by page without trying again what failed', async () => {
    for (let n = 0; n < 3; n++) await skip(`eve-${n}`, 'pro', 'nowhere');
    for (let n = 0; n < 4; n++) await skip(`eve-${n}`, 'pro');
    const pages: [bigint, number][] = [];
    for (let pageToken = ''; ;) {
      const page = await server.index.replayDeadLetters({ selection: ALL, pageSize: 2, pageToken });
      pages.push([page.replayed, page.failed.length]);
      if ((pageToken = page.nextPageToken) === '') break;
    }
    expect(pages).toEqual([
      [0n, 2],
      [1n, 1],
      [2n, 0],
      [1n, 0],
    ]);
  });

  it('applies each once, however many replay at the same time', async () => {
    const before = (await server.index.getStatus({ environment: 'default' })).environments[0]?.identities ?? 0n;
    for (let n = 0; n < 60; n++) await skip(`fay-${n}`, `plan ${n}`);
    const replays = await Promise.all(
      Array.from({ length: 4 }, () => server.index.replayDeadLetters({ selection: ALL, pageSize: 10_000 })),
    );
    expect(replays.reduce((sum, { replayed }) => sum + replayed, 0n)).toBe(60n);
    expect(replays.flatMap(({ failed }) => failed)).toEqual([]);
    expect(await traitsOf('fay-59')).toBe('{"plan": "plan 59"}');
    const after = (await server.index.getStatus({ environment: 'default' })).environments[0]?.identities;
    expect(after).toBe(before + 60n);
    expect(await quarantined()).toEqual([]);
  });

  it('replays rows of captured tables, in the partition they belong to', async () => {
    const captured = (table: string, key: object, after: object): NewDeadLetter =>
      letter(Buffer.from(JSON.stringify({ before: null, after, source: { schema: 'public', table }, op: 'c' })), {
        key: Buffer.from(JSON.stringify(key)),
        topic: 'captured',
      });
    const identity = { id: 5, identifier: 'zoe', environment_id: 1, system_traits: '{}' };
    const trait = { id: 9, identity_id: 5, trait_key: 'plan', value_type: 'unicode', string_value: 'pro' };
    await keep(
      captured('environments_environment', { id: 1 }, { id: 1, api_key: 'given', name: 'Given', project_id: 1 }),
      captured('environments_identity', { id: 5 }, identity),
      captured('environments_trait', { identity_id: 5 }, trait),
    );
    const { replayed, failed } = await server.index.replayDeadLetters({ selection: ALL });
    expect({ replayed, failed }).toEqual({ replayed: 3n, failed: [] });
    const rows = await database.db.sql<{ id: number; traits: string }[]>`
      select id, traits::text as traits from identity where identifier = 'zoe'`;
    expect([...rows]).toEqual([{ id: 5, traits: '{"plan": "pro"}' }]);
  });

  it('finds the one that Postgres refuses among others', async () => {
    await database.db.sql.unsafe(`
      create function refuse_mallory() returns trigger language plpgsql as $$
      begin if new.identifier = 'mallory' then raise exception 'no'; end if; return new; end $$;
      create trigger refuse_mallory before insert on identity for each row execute function refuse_mallory()`);
    try {
      for (const name of ['gus', 'mallory', 'hal', 'ida']) {
        const { value } = upsertMessage('default', name);
        await insertDeadLetters(database.db.sql, [letter(value)]);
      }
      const { replayed, failed } = await server.index.replayDeadLetters({ selection: ALL });
      expect([replayed, failed.map(({ reason }) => reason)]).toEqual([3n, [ErrorReason.INTERNAL]]);
      const [left] = (await server.index.listDeadLetters({})).deadLetters;
      expect(Buffer.from(left?.value ?? []).toString()).toContain('mallory');
      expect(failed[0]?.id).toBe(left?.id);
    } finally {
      await database.db.sql.unsafe('drop trigger refuse_mallory on identity; drop function refuse_mallory');
    }
  });
});

describe('dropping dead letters', () => {
  it('removes those that are meant and leaves the quarantine', async () => {
    await skip('jo', 'pro');
    await skip('kim', 'pro', 'nowhere');
    const nowhere = { case: 'filter', value: { environment: 'nowhere' } } as const;
    expect((await server.index.dropDeadLetters({ selection: nowhere })).dropped).toBe(1n);
    const [left = 0n, ...others] = await keep();
    expect(others).toEqual([]);
    const byId = { case: 'ids' as const, value: { ids: [left, 999_999_999n] } };
    expect((await server.index.dropDeadLetters({ selection: byId })).dropped).toBe(1n);
    expect(await quarantined()).toEqual(['jo']);
    await apply(server, [upsert('jo', {})]);
    expect(await quarantined()).toEqual([]);
  });

  it('refuses to drop without being told which', async () => {
    expect(await refusal(server.index.dropDeadLetters({}))).toMatchObject({ reason: 'INVALID_REQUEST' });
    expect(await refusal(server.index.replayDeadLetters({}))).toMatchObject({ reason: 'INVALID_REQUEST' });
  });
});

it('tells how many dead letters there are and when the newest was put aside', async () => {
  expect((await server.index.getStatus({})).feed?.deadLetters).toMatchObject({ count: 0n });
  await keep(letter(null), letter(null));
  const counts = (await server.index.getStatus({})).feed?.deadLetters;
  expect(counts?.count).toBe(2n);
  expect(Math.abs(Number(counts?.newestAt?.seconds) * 1000 - Date.now())).toBeLessThan(10_000);
});
