import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OrdinalMode } from '../../src/gen/rollcall/v1/environment_service_pb.js';
import { RuleType } from '../../src/gen/rollcall/v1/segment_pb.js';
import { createTestDatabase } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';
import {
  all,
  apply,
  condition,
  draftSelector,
  eventually,
  people,
  putSegment,
  refusal,
  remove,
  segmentSelector,
  startTestRollcall,
  text,
  upsert,
} from '../helpers/rollcall.js';
import type { ChangeInit, RuleInit, TestRollcall } from '../helpers/rollcall.js';

let database: TestDatabase;
let server: TestRollcall;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestRollcall(database.url, { maxStreamsPerCaller: '4' });
  await server.environments.create({ environment: { key: 'default' } });
  await apply(server, people(30));
  await putSegment(server, 'everyone', [all()]);
  await putSegment(server, 'even', [all(condition('even', 'EQUAL', 'yes'))]);
});

afterAll(async () => {
  await server.stop();
  await database.drop();
});

const create = (key: string, rules: RuleInit[], parent = ''): Promise<unknown> =>
  server.segments.create({ segment: { key, rules, parent } });
const nested = (depth: number): RuleInit =>
  depth === 1 ? all(condition('n', 'IS_SET', '')) : { type: RuleType.ALL, rules: [nested(depth - 1)] };

describe('what is not there', () => {
  it('an environment, in a read and in a change', async () => {
    const expected = { reason: 'ENVIRONMENT_NOT_FOUND', metadata: { environment: 'elsewhere' } };
    expect(await refusal(server.membership.count({ selector: segmentSelector('even', 'elsewhere') }))).toEqual(
      expected,
    );
    expect(await refusal(server.environments.get({ key: 'elsewhere' }))).toEqual(expected);
    expect(await refusal(server.environments.delete({ key: 'elsewhere' }))).toEqual(expected);
    expect(await refusal(server.index.getStatus({ environment: 'elsewhere' }))).toEqual(expected);
    const change = await refusal(apply(server, [...people(2), upsert('someone', {}, 'elsewhere')]));
    expect(change).toEqual({
      reason: 'ENVIRONMENT_NOT_FOUND',
      metadata: { environment: 'elsewhere', index: '2', batch: '0', applied: '0' },
    });
  });

  it('a segment', async () => {
    const expected = { reason: 'SEGMENT_NOT_FOUND', metadata: { segment: 'odd' } };
    expect(await refusal(server.membership.count({ selector: segmentSelector('odd') }))).toEqual(expected);
    expect(await refusal(server.segments.get({ key: 'odd' }))).toEqual(expected);
    expect(await refusal(server.segments.delete({ key: 'odd' }))).toEqual(expected);
    expect(await refusal(server.segments.update({ segment: { key: 'odd' } }))).toEqual(expected);
    expect(await refusal(server.segments.listChildren({ key: 'odd' }))).toEqual(expected);
    const identity = { identity: { case: 'identifier' as const, value: 'person-1' } };
    const { results } = await server.membership.checkMembership({
      environment: 'default',
      identity,
      segments: ['even', 'odd'],
    });
    expect(results.map(({ outcome }) => outcome.case)).toEqual(['member', 'error']);
  });

  it('an identity', async () => {
    const identity = { identity: { case: 'identifier' as const, value: 'nobody' } };
    const expected = { reason: 'IDENTITY_NOT_FOUND', metadata: { identifier: 'nobody' } };
    expect(await refusal(server.membership.explain({ selector: segmentSelector('even'), identity }))).toEqual(expected);
    expect(await refusal(server.membership.checkMembership({ environment: 'default', identity }))).toEqual(expected);
    const byId = { identity: { case: 'id' as const, value: 9_999n } };
    expect(await refusal(server.membership.checkMembership({ environment: 'default', identity: byId }))).toEqual({
      reason: 'IDENTITY_NOT_FOUND',
      metadata: { id: '9999' },
    });
  });

  it('an atom, a list, a parent and a segment that a condition refers to', async () => {
    expect(await refusal(server.index.rebuildAtom({ environment: 'default', atomId: 999_999n }))).toEqual({
      reason: 'ATOM_NOT_FOUND',
      metadata: { atom: '999999' },
    });
    const list = { property: 'n', operator: 'IN', operand: { case: 'list' as const, value: 'vips' } };
    expect(await refusal(create('in-list', [all(list)]))).toEqual({
      reason: 'LIST_NOT_FOUND',
      metadata: { list: 'vips' },
    });
    const unknown = { reason: 'UNKNOWN_REFERENCE', metadata: { reference: 'nowhere' } };
    expect(await refusal(create('child', [all()], 'nowhere'))).toEqual(unknown);
    expect(await refusal(create('referring', [all(condition('', 'in_segment', 'nowhere'))]))).toEqual(unknown);
    expect(
      await refusal(
        server.membership.count({ selector: draftSelector([all(condition('', 'not_in_segment', 'nowhere'))]) }),
      ),
    ).toEqual(unknown);
  });
});

describe('what is there already', () => {
  it('an environment and a segment', async () => {
    expect(await refusal(server.environments.create({ environment: { key: 'default' } }))).toEqual({
      reason: 'ENVIRONMENT_EXISTS',
      metadata: { environment: 'default' },
    });
    expect(await refusal(create('even', [all()]))).toEqual({ reason: 'SEGMENT_EXISTS', metadata: { segment: 'even' } });
  });

  it('a newer version of a segment: ETAG_MISMATCH with the present etag, and nothing is changed', async () => {
    const { segment } = await server.segments.create({ segment: { key: 'edited', rules: [all()] } });
    const stale = segment?.etag ?? '';
    const newer = (
      await server.segments.update({ segment: { key: 'edited', rules: [all()], description: 'newer', etag: stale } })
    ).segment;
    const expected = { reason: 'ETAG_MISMATCH', metadata: { segment: 'edited', etag: newer?.etag } };
    expect(await refusal(server.segments.update({ segment: { key: 'edited', rules: [], etag: stale } }))).toEqual(
      expected,
    );
    expect(await refusal(server.segments.delete({ key: 'edited', etag: stale }))).toEqual(expected);
    expect((await server.segments.get({ key: 'edited' })).segment).toEqual(newer);
  });

  it('references: a segment that others refer to is not deleted, and they are named', async () => {
    await create('base', [all()]);
    await create('heir', [all()], 'base');
    await create('outsider', [all(condition('', 'not_in_segment', 'base'))]);
    expect(await refusal(server.segments.delete({ key: 'base' }))).toEqual({
      reason: 'SEGMENT_REFERENCED',
      metadata: { segment: 'base', segments: 'heir, outsider' },
    });
    await server.segments.delete({ key: 'heir' });
    await server.segments.delete({ key: 'outsider' });
    await server.segments.delete({ key: 'base' });
  });
});

describe('definitions', () => {
  const drafted = (rules: RuleInit[]): Promise<unknown> => server.membership.count({ selector: draftSelector(rules) });

  it.each([
    [
      'an unknown operator',
      condition('n', 'EQUALS', '1'),
      { reason: 'UNKNOWN_OPERATOR', metadata: { operator: 'EQUALS', property: 'n' } },
    ],
    [
      'a bad pattern',
      condition('n', 'REGEX', '(a'),
      { reason: 'INVALID_OPERAND', metadata: { operator: 'REGEX', operand: '(a', property: 'n' } },
    ],
    [
      'a look-ahead',
      condition('n', 'REGEX', 'b(?=a)'),
      { reason: 'UNSUPPORTED_PATTERN', metadata: { operator: 'REGEX', pattern: 'b(?=a)', position: '1' } },
    ],
    [
      'a divisor of 0',
      condition('n', 'MODULO', '0|1'),
      { reason: 'INVALID_OPERAND', metadata: { operator: 'MODULO', operand: '0|1', property: 'n' } },
    ],
    ['a NUL', condition('n', 'EQUAL', 'a\0b'), { reason: 'INVALID_REQUEST' }],
    ['an operand that is too long', condition('n', 'EQUAL', 'x'.repeat(65_537)), { reason: 'INVALID_REQUEST' }],
  ])('with %s are refused when written and as drafts', async (_, bad, expected) => {
    expect(await refusal(create('bad', [all(bad)]))).toMatchObject(expected);
    expect(await refusal(server.segments.update({ segment: { key: 'even', rules: [all(bad)] } }))).toMatchObject(
      expected,
    );
    expect(await refusal(drafted([all(bad)]))).toMatchObject(expected);
    expect((await refusal(server.segments.get({ key: 'bad' }))).reason).toBe('SEGMENT_NOT_FOUND');
  });

  it('that come back to themselves are refused with the chain', async () => {
    await create('a', [all()]);
    await create('b', [all()], 'a');
    await create('c', [all(condition('', 'in_segment', 'b'))]);
    const rules = [all(condition('', 'in_segment', 'c'))];
    expect(await refusal(server.segments.update({ segment: { key: 'a', rules } }))).toEqual({
      reason: 'SEGMENT_CYCLE',
      metadata: { chain: 'a -> c -> b -> a' },
    });
    expect(await refusal(create('self', [all()], 'self'))).toEqual({
      reason: 'SEGMENT_CYCLE',
      metadata: { chain: 'self -> self' },
    });
  });

  it('of rules nested 64 deep are taken, of 65 not', async () => {
    await create('deep', [nested(64)]);
    expect(await refusal(create('deeper', [nested(65)]))).toEqual({
      reason: 'INVALID_SEGMENT',
      metadata: { segment: 'deeper' },
    });
  });

  it('lists that are not what was announced, change their name or have none are refused whole', async () => {
    const put = (
      ...messages: Parameters<typeof server.segments.putList>[0] extends Iterable<infer M> | AsyncIterable<infer M>
        ? M[]
        : never
    ) => server.segments.putList(messages);
    const fewer = await refusal(put({ name: 'cut', values: ['a'], expectedSize: 2n }));
    expect(fewer).toEqual({ reason: 'INVALID_REQUEST', metadata: { field: 'expected_size' } });
    expect((await refusal(put({ name: 'one', values: ['a'] }, { name: 'two', values: ['b'] }))).metadata).toEqual({
      field: 'name',
    });
    expect((await refusal(put({ values: ['a'] }))).metadata).toEqual({ field: 'name' });
    expect((await refusal(put())).metadata).toEqual({ field: 'name' });
    const listed = { property: 'n', operator: 'IN', operand: { case: 'list' as const, value: 'cut' } };
    expect((await refusal(create('cut', [all(listed)]))).reason).toBe('LIST_NOT_FOUND');
  });
});

describe('changes', () => {
  const place = (index: number, batch = 0, applied = 0) => ({
    index: String(index),
    batch: String(batch),
    applied: String(applied),
  });

  it.each<[string, ChangeInit, string]>([
    ['an empty identifier', upsert('', {}), 'INVALID_IDENTIFIER'],
    ['an identifier of 2,001 characters', upsert('x'.repeat(2_001), {}), 'INVALID_IDENTIFIER'],
    ['an identifier with a NUL', upsert('a\0b', {}), 'INVALID_IDENTIFIER'],
    ['a trait of 1 MB', upsert('large', { bio: text('x'.repeat(1_000_000)) }), 'INVALID_TRAIT'],
    ['a trait that is no number', upsert('nan', { n: { kind: { case: 'floatValue', value: NaN } } }), 'INVALID_TRAIT'],
    ['a trait with a NUL', upsert('nul', { bio: text('\0') }), 'INVALID_TRAIT'],
    ['an id where ordinals are allotted', { ...upsert('given', {}), identityId: 7n }, 'IDENTITY_ID_NOT_ALLOWED'],
    ['no change', { environmentKey: 'default', identifier: 'idle' }, 'INVALID_REQUEST'],
  ])('with %s are refused with their place', async (_, bad, reason) => {
    const refused = await refusal(apply(server, [...people(3), bad]));
    expect(refused).toMatchObject({ reason, metadata: place(3) });
  });

  it('of identifiers of 2,000 characters of four bytes are taken and found again', async () => {
    const identifier = '😀'.repeat(2_000);
    await apply(server, [upsert(identifier, { even: text('yes') })]);
    const identity = { identity: { case: 'identifier' as const, value: identifier } };
    const { results } = await server.membership.checkMembership({
      environment: 'default',
      identity,
      segments: ['even'],
      freshness: { level: { case: 'latest', value: true } },
    });
    expect(results[0]?.outcome).toEqual({ case: 'member', value: true });
    await apply(server, [remove(identifier)]);
  });

  it('an environment whose source gives the ordinals needs them', async () => {
    await server.environments.create({ environment: { key: 'given', ordinalMode: OrdinalMode.GIVEN } });
    const refused = await refusal(apply(server, [upsert('new', {}, 'given')]));
    expect(refused).toEqual({ reason: 'IDENTITY_ID_REQUIRED', metadata: place(0) });
    await apply(server, [
      { ...upsert('new', {}, 'given'), identityId: 70_000n },
      upsert('new', { n: text('1') }, 'given'),
    ]);
  });

  it('one bad among 10,000 refuses its batch whole; the batch before stays', async () => {
    const latest = { level: { case: 'latest' as const, value: true } };
    const before = await server.membership.count({ selector: segmentSelector('everyone'), freshness: latest });
    const batch = people(10_000, 'batch');
    batch[6_543] = upsert('', {});
    const refused = await refusal(
      server.ingest.applyChanges([{ changes: people(5, 'first') }, { changes: batch }, { changes: people(5, 'last') }]),
    );
    expect(refused).toMatchObject({ reason: 'INVALID_IDENTIFIER', metadata: place(5 + 6_543, 1, 5) });
    const after = await server.membership.count({ selector: segmentSelector('everyone'), freshness: latest });
    expect(after.count - before.count).toBe(5n);
  });

  it('more than 10,000 in one batch are refused', async () => {
    expect((await refusal(apply(server, people(10_001), 10_001))).reason).toBe('INVALID_REQUEST');
  });
});

describe('cursors', () => {
  const selector = segmentSelector('everyone');
  const altered = (cursor: string): string =>
    `${cursor.slice(0, 20)}${cursor[20] === 'A' ? 'B' : 'A'}${cursor.slice(21)}`;

  it('of a page that were altered, or belong to another segment or query, are refused', async () => {
    const { nextPageToken: pageToken } = await server.membership.listMembers({ selector, pageSize: 5 });
    for (const wrong of [
      { selector, pageToken: altered(pageToken) },
      { selector, pageToken: `${pageToken}A` },
      { selector, pageToken: 'nonsense!' },
      { selector: segmentSelector('even'), pageToken },
      { selector, pageToken, query: 'person' },
    ]) {
      expect(await refusal(server.membership.listMembers(wrong))).toEqual({ reason: 'INVALID_CURSOR', metadata: {} });
    }
  });

  it('of a stream that were altered, or belong to another shard or to a page, are refused', async () => {
    const { nextPageToken } = await server.membership.listMembers({ selector, pageSize: 5 });
    const first = await server.membership
      .streamMembers({ selector, limit: 5n, shardCount: 2 })
      [Symbol.asyncIterator]()
      .next();
    const cursor = first.done === true ? '' : first.value.cursor;
    for (const wrong of [
      { selector, shardCount: 2, cursor: altered(cursor) },
      { selector, shardCount: 2, shardIndex: 1, cursor },
      { selector, cursor },
      { selector, cursor: nextPageToken },
    ]) {
      const stream = server.membership.streamMembers(wrong)[Symbol.asyncIterator]();
      expect((await refusal(stream.next())).reason).toBe('INVALID_CURSOR');
    }
  });

  it('of lists of segments and environments that were altered are refused', async () => {
    const { nextPageToken } = await server.segments.list({ pageSize: 1 });
    expect(
      (await refusal(server.segments.list({ pageToken: altered(`${nextPageToken}xxxxxxxxxxxxxxxxxxxx`) }))).reason,
    ).toBe('INVALID_CURSOR');
  });
});

describe('requests', () => {
  const selector = segmentSelector('even');

  it('that break a constraint are refused with the field', async () => {
    expect(await refusal(server.membership.listMembers({ selector, pageSize: 1_001 }))).toEqual({
      reason: 'INVALID_REQUEST',
      metadata: { field: 'page_size' },
    });
    expect((await refusal(server.membership.sample({ selector, size: -1 }))).metadata).toEqual({ field: 'size' });
    expect((await refusal(server.membership.count({}))).metadata).toEqual({ field: 'selector' });
    expect((await refusal(server.membership.count({ selector: { environment: 'default' } }))).reason).toBe(
      'INVALID_REQUEST',
    );
    expect(
      (
        await refusal(
          server.membership.streamMembers({ selector, shardIndex: 2, shardCount: 2 })[Symbol.asyncIterator]().next(),
        )
      ).reason,
    ).toBe('INVALID_REQUEST');
  });

  it('with a NUL, which no database keeps, are refused; a query with one finds no one', async () => {
    expect((await server.membership.listMembers({ selector, query: 'a\0b' })).members).toEqual([]);
    expect(
      (await refusal(server.segments.create({ segment: { key: 'nul', name: 'a\0b', rules: [all()] } }))).reason,
    ).toBe('INVALID_REQUEST');
    const identity = { identity: { case: 'identifier' as const, value: 'a\0b' } };
    expect((await refusal(server.membership.checkMembership({ environment: 'default', identity }))).reason).toBe(
      'INVALID_REQUEST',
    );
  });

  it('for more streams than a caller may have are refused; a place is free again when one ends', async () => {
    const hold = new AbortController();
    const held = Array.from({ length: 4 }, () => server.ingest.applyChanges(stalling(hold.signal)));
    await eventually(async () => {
      const { reason } = await refusal(server.ingest.applyChanges([{ changes: [] }]));
      expect(reason).toBe('TOO_MANY_STREAMS');
    });
    hold.abort();
    await Promise.all(held);
    expect((await server.ingest.applyChanges([{ changes: [] }])).applied).toBe(0n);
  });
});

async function* stalling(signal: AbortSignal): AsyncGenerator<{ changes: ChangeInit[] }> {
  yield { changes: [] };
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
}
