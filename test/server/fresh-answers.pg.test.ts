import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CountResponse } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { inTransaction } from '../../src/storage/database.js';
import { createTestDatabase } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';
import {
  all,
  apply,
  condition,
  draftSelector,
  eventually,
  int,
  people,
  putSegment,
  reasonOf,
  refusal,
  remove,
  segmentSelector,
  startTestRollcall,
  store,
  text,
  untilAnswered,
  upsert,
} from '../helpers/rollcall.js';
import type { TestRollcall } from '../helpers/rollcall.js';

const latest = { level: { case: 'latest' as const, value: true } };
const atLeast = (value: bigint) => ({ level: { case: 'atLeastRevision' as const, value } });
const exactly = (value: bigint) => ({ level: { case: 'exactRevision' as const, value } });
const even = segmentSelector('even');
const everyone = segmentSelector('everyone');

let database: TestDatabase;
let one: TestRollcall;
let other: TestRollcall;

beforeAll(async () => {
  database = await createTestDatabase();
  [one, other] = await Promise.all([startTestRollcall(database.url), startTestRollcall(database.url)]);
  await one.environments.create({ environment: { key: 'default' } });
  await apply(one, people(100));
  await putSegment(one, 'even', [all(condition('even', 'EQUAL', 'yes'))]);
  await putSegment(one, 'everyone', [all()]);
});

afterAll(async () => {
  await Promise.all([one.stop(), other.stop()]);
  await database.drop();
});

describe('two servers on one database', () => {
  it('agree at the newest revision, whichever of them applied it', async () => {
    for (const [writer, reader] of [
      [one, other],
      [other, one],
    ] as const) {
      const revision = await apply(writer, [upsert(`new-${String(writer === one)}`, { even: text('yes') })]);
      const answers = await Promise.all(
        [writer, reader].map((server) => server.membership.count({ selector: even, freshness: latest })),
      );
      expect(answers.every((answer) => answer.revision >= revision)).toBe(true);
      expect(answers[0]?.count).toBe(answers[1]?.count);
    }
  });

  it('show a change that one applied at once where its revision is asked for, and soon without', async () => {
    for (let n = 0; n < 10; n++) {
      const before = await other.membership.count({ selector: even, freshness: latest });
      const revision = await apply(one, [upsert(`soon-${n}`, { even: text('yes') })]);
      const asked = await other.membership.count({ selector: even, freshness: atLeast(revision) });
      expect(asked).toMatchObject({ count: before.count + 1n });
      expect(asked.revision).toBeGreaterThanOrEqual(revision);
    }
    const revision = await apply(one, [remove('soon-0')]);
    await expect
      .poll(async () => (await other.membership.count({ selector: even })).revision, { interval: 10, timeout: 2_000 })
      .toBeGreaterThanOrEqual(revision);
  });

  it('answer from the memory of the one that applied it without looking at the database', async () => {
    const revision = await apply(one, [upsert('at-once', {})]);
    expect((await one.membership.count({ selector: everyone })).revision).toBeGreaterThanOrEqual(revision);
  });

  it('answer at exactly an earlier revision as it was then', async () => {
    const then: CountResponse[] = [];
    for (let n = 0; n < 5; n++) {
      await apply(one, [upsert(`then-${n}`, { even: text('yes') })]);
      then.push(await one.membership.count({ selector: even, freshness: latest }));
    }
    for (const { revision, count } of then.reverse()) {
      expect(await other.membership.count({ selector: even, freshness: exactly(revision) })).toMatchObject({
        revision,
        count,
      });
    }
  });

  it('wait for a revision until the deadline, and say how far they are when it does not come', async () => {
    const { revision } = await one.membership.count({ selector: even, freshness: latest });
    const missing = {
      reason: 'REVISION_NOT_REACHED',
      metadata: { revision: String(revision + 5n), reached: String(revision), retryAfterMs: '200' },
    };
    const startedAt = performance.now();
    expect(
      await refusal(other.membership.count({ selector: even, freshness: atLeast(revision + 5n) }, { timeoutMs: 900 })),
    ).toEqual(missing);
    expect(performance.now() - startedAt).toBeGreaterThan(400);
    expect((await refusal(other.membership.count({ selector: even, freshness: exactly(revision + 5n) }))).reason).toBe(
      'REVISION_NOT_REACHED',
    );
    const waiting = other.membership.count(
      { selector: even, freshness: atLeast(revision + 1n) },
      { timeoutMs: 10_000 },
    );
    const reached = await apply(one, [upsert('awaited', {})]);
    expect((await waiting).revision).toBeGreaterThanOrEqual(reached);
  });

  it('forget an environment that one deletes, and know the next of its name', async () => {
    await one.environments.create({ environment: { key: 'passing' } });
    await apply(one, people(3, 'person', 'passing'));
    const passing = segmentSelector('everyone', 'passing');
    expect((await untilAnswered(() => other.membership.count({ selector: passing, freshness: latest }))).count).toBe(
      3n,
    );
    await one.environments.delete({ key: 'passing' });
    await eventually(async () => {
      expect((await refusal(other.membership.count({ selector: passing }))).reason).toBe('ENVIRONMENT_NOT_FOUND');
    });
    await one.environments.create({ environment: { key: 'passing' } });
    await apply(other, people(1, 'person', 'passing'));
    for (const server of [one, other])
      expect((await untilAnswered(() => server.membership.count({ selector: passing, freshness: latest }))).count).toBe(
        1n,
      );
  });
});

describe('a segment that is edited', () => {
  const counts = async (selector = segmentSelector('edited')) => one.membership.count({ selector, freshness: latest });

  it('is served as it was, and marked, until the atoms of its new definition are built', async () => {
    await database.db.sql`truncate identity`;
    await store(one, database, 80_000);
    await putSegment(one, 'edited', [all(condition('n', 'LESS_THAN', '11'))]);
    const before = await untilAnswered(() => counts());
    const { segment } = await one.segments.update({
      segment: { key: 'edited', rules: [all(condition('$.identity.identifier', 'REGEX', '.*-[0-9]{1,2}$'))] },
    });
    const during = await counts();
    expect(during).toMatchObject({ count: 10n, pending: true, etag: before.etag });
    const identity = { identity: { case: 'identifier' as const, value: 'person-3' } };
    const checked = await one.membership.checkMembership({ environment: 'default', identity, segments: ['edited'] });
    expect(checked.results[0]).toMatchObject({
      pending: true,
      etag: before.etag,
      outcome: { case: 'member', value: true },
    });
    await eventually(async () => {
      expect((await counts()).pending).toBe(false);
    });
    expect(await counts()).toMatchObject({ count: 99n, pending: false, etag: segment?.etag });
  });

  it('that is new says how far it is built, and is never answered with 0 (I10)', async () => {
    const refusals: Record<string, string>[] = [];
    const ask = (): Promise<CountResponse> =>
      counts(segmentSelector('slow')).catch(async (error: unknown) => {
        refusals.push((await refusal(Promise.reject(error instanceof Error ? error : new Error('odd')))).metadata);
        throw error;
      });
    await inTransaction(database.db, { isolation: 'read committed' }, async (tx) => {
      // The build cannot write what it reads yet.
      await tx`lock table atom_chunk in share mode`;
      await one.segments.create({
        segment: { key: 'slow', rules: [all(condition('$.identity.identifier', 'REGEX', '.*1.*2.*3$'))] },
      });
      await expect(ask()).rejects.toSatisfy((error) => reasonOf(error) === 'ATOM_BUILDING');
    });
    const counted = await eventually(ask, (error) => reasonOf(error) === 'ATOM_BUILDING');
    expect(counted.count).toBeGreaterThan(0n);
    expect(refusals[0]).toMatchObject({ segment: 'slow', atom: expect.stringMatching(/^\d+$/) as string });
    for (const { progress } of refusals) expect(Number(progress)).toBeGreaterThanOrEqual(0);
    expect(Number(refusals.at(-1)?.['progress'])).toBeLessThan(1);
  });
});

describe('a sample', () => {
  let revision: bigint;

  beforeEach(async () => {
    ({ revision } = await one.membership.count({ selector: even, freshness: latest }));
  });

  it('is the same for the same seed, revision and size, on every server', async () => {
    const request = { selector: even, size: 50, seed: 42n, freshness: exactly(revision) };
    const [first, second] = await Promise.all([one.membership.sample(request), other.membership.sample(request)]);
    expect(first.members).toEqual(second.members);
    expect(first).toMatchObject({ seed: 42n, revision });
    expect(first.members.length).toBe(50);
    const differing = await one.membership.sample({ ...request, seed: 43n });
    expect(differing.members).not.toEqual(first.members);
  });

  it('without a seed says which one it took, and that gives the same members again', async () => {
    const { seed, members } = await one.membership.sample({ selector: even });
    expect(members.length).toBe(10);
    expect((await other.membership.sample({ selector: even, seed, freshness: exactly(revision) })).members).toEqual(
      members,
    );
  });

  it('whose traits would be too large for one answer is refused, not cut short', async () => {
    const bio = text('b'.repeat(50_000));
    await apply(
      one,
      Array.from({ length: 100 }, (_, n) => upsert(`talker-${n}`, { bio })),
    );
    await putSegment(one, 'talkers', [all(condition('bio', 'IS_SET', ''))]);
    const sample = (size: number, includeTraits: boolean) =>
      one.membership.sample({ selector: segmentSelector('talkers'), size, includeTraits });
    expect(await refusal(sample(100, true))).toMatchObject({ reason: 'INVALID_REQUEST', metadata: { field: 'size' } });
    expect((await sample(100, false)).members.length).toBe(100);
    expect((await sample(50, true)).members.map(({ traits }) => traits['bio']?.kind)).toEqual(
      Array<unknown>(50).fill(bio.kind),
    );
  });

  it('draws every member equally often, none of them twice', async () => {
    await putSegment(one, 'ten', [all(condition('n', 'LESS_THAN', '11'))]);
    const drawn = new Map<string, number>();
    const request = { selector: segmentSelector('ten'), size: 3 };
    const samples = await Promise.all(
      Array.from({ length: 600 }, (_, seed) => one.membership.sample({ ...request, seed: BigInt(seed) })),
    );
    for (const { members } of samples) {
      expect(new Set(members.map(({ id }) => id)).size).toBe(3);
      for (const { identifier } of members) drawn.set(identifier, (drawn.get(identifier) ?? 0) + 1);
    }
    // Each of 10 is drawn 180 times on average, with a standard deviation of 11.
    expect([...drawn.values()].sort((a, b) => a - b)).toHaveLength(10);
    for (const times of drawn.values()) expect(Math.abs(times - 180)).toBeLessThan(57);
  });
});

describe('a check of traits that come with the request', () => {
  it('needs no stored identity, and takes a definition whose atoms are not built', async () => {
    const inline = (n: number) => ({
      identity: {
        case: 'inline' as const,
        value: { identifier: 'stranger', traits: { n: int(n), even: text('yes') } },
      },
    });
    await one.segments.create({ segment: { key: 'unbuilt', rules: [all(condition('n', 'GREATER_THAN', '7'))] } });
    for (const [n, isMember] of [
      [8, true],
      [7, false],
    ] as const) {
      const { results } = await one.membership.checkMembership({
        environment: 'default',
        identity: inline(n),
        segments: ['unbuilt', 'even', 'everyone'],
      });
      expect(results.map(({ outcome }) => outcome.value)).toEqual([isMember, true, true]);
    }
    const draft = await one.membership.explain({
      selector: draftSelector([all(condition('n', 'EQUAL', '7'))]),
      identity: inline(7),
    });
    expect(draft.member).toBe(true);
  });
});
