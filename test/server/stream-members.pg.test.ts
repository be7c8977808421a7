import { fromBinary, toBinary, create } from '@bufbuild/protobuf';
import { crc32c } from '@node-rs/crc32';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  MembershipService,
  StreamMembersRequestSchema,
  StreamMembersResponseSchema,
} from '../../src/gen/rollcall/v1/membership_service_pb.js';
import type { StreamMembersResponse } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { fold, trim } from '../../src/indexing/fold.js';
import { findEnvironment } from '../../src/storage/environments.js';
import { openRawStream, rawGrpcClient } from '../helpers/grpc-client.js';
import { createTestDatabase } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';
import {
  all,
  apply,
  condition,
  eventually,
  identifiersOf,
  int,
  putSegment,
  readStream,
  refusal,
  remove,
  segmentSelector,
  startTestRollcall,
  store,
  text,
  upsert,
} from '../helpers/rollcall.js';
import type { TestRollcall } from '../helpers/rollcall.js';

const PEOPLE = 40_000;
const everyone = segmentSelector('everyone');
const latest = { level: { case: 'latest' as const, value: true } };

let database: TestDatabase;
let server: TestRollcall;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestRollcall(database.url);
  await server.environments.create({ environment: { key: 'default' } });
  await store(server, database, PEOPLE);
  await putSegment(server, 'everyone', [all()]);
  await putSegment(server, 'even', [all(condition('even', 'EQUAL', 'yes'))]);
  await putSegment(server, 'sparse', [all(condition('n', 'MODULO', '37|0'))]);
});

afterAll(async () => {
  await server.stop();
  await database.drop();
});

const checksumOf = (identifiers: readonly string[]): number =>
  crc32c(identifiers.map((identifier) => `${identifier}\n`).join(''));

it.each([
  ['everyone', PEOPLE],
  ['even', PEOPLE / 2],
  ['sparse', Math.floor(PEOPLE / 37)],
])('streams all of %s once, in order, and ends with their count and CRC32C', async (segment, count) => {
  const messages = await readStream(server, { selector: segmentSelector(segment) });
  const ids = messages.flatMap(({ members }) => members.map(({ id }) => Number(id)));
  const identifiers = identifiersOf(messages);
  expect(ids.length).toBe(count);
  expect(ids.every((id, index) => id > (ids[index - 1] ?? 0))).toBe(true);
  expect(identifiers).toEqual(ids.map((id) => `person-${id}`));
  expect(messages.at(-1)?.summary).toMatchObject({
    complete: true,
    sent: BigInt(count),
    crc32c: checksumOf(identifiers),
  });
  expect(messages.at(-1)?.members).toEqual([]);
  expect(messages.slice(0, -1).some(({ summary }) => summary !== undefined)).toBe(false);
  expect(new Set(messages.map(({ revision, total }) => `${revision} ${total}`)).size).toBe(1);
  expect(messages[0]?.total).toBe(BigInt(count));
});

it('sends a small message at once, then messages of 16 to 64 KiB, byte for byte as the generated code would', async () => {
  const client = rawGrpcClient(server.grpcPort);
  const request = toBinary(StreamMembersRequestSchema, create(StreamMembersRequestSchema, { selector: everyone }));
  const raw: Buffer[] = [];
  for await (const bytes of openRawStream(client, MembershipService.method.streamMembers, request))
    raw.push(bytes as Buffer);
  client.close();
  for (const bytes of raw)
    expect(
      Buffer.from(toBinary(StreamMembersResponseSchema, fromBinary(StreamMembersResponseSchema, bytes))).equals(bytes),
    ).toBe(true);
  const [first = 0, ...sizes] = raw.slice(0, -1).map((bytes) => bytes.length);
  expect(first).toBeLessThan(16 * 1024);
  expect(Math.min(...sizes)).toBeGreaterThan(16 * 1024);
  expect(Math.max(...sizes)).toBeLessThan(64 * 1024);
});

it('goes on after every single message as if it had not been cut (I8)', async () => {
  const whole = await readStream(server, { selector: everyone });
  const resumed: StreamMembersResponse[] = [];
  for (let cursor = ''; ;) {
    const [message] = await firstMessages(server, cursor);
    if (message === undefined) throw new Error('the stream ended without a summary');
    resumed.push(message);
    if (message.summary !== undefined) break;
    cursor = message.cursor;
  }
  expect(identifiersOf(resumed)).toEqual(identifiersOf(whole));
  expect(resumed.length).toBeGreaterThan(10);
  expect(resumed.some(({ revisionChanged }) => revisionChanged)).toBe(false);
  expect(resumed.at(-1)?.summary).toMatchObject({ complete: true, sent: 0n, crc32c: 0 });
});

it('keeps to its limit, says that it is not complete, and goes on from its last cursor', async () => {
  const taken: string[] = [];
  let cursor = '';
  for (const limit of [1, 5, 16, 100, 12_345]) {
    const messages = await readStream(server, { selector: everyone, limit: BigInt(limit), cursor });
    expect(messages.at(-1)?.summary).toMatchObject({
      complete: false,
      sent: BigInt(limit),
      crc32c: checksumOf(identifiersOf(messages)),
    });
    expect(messages.at(-1)?.total).toBe(BigInt(PEOPLE));
    taken.push(...identifiersOf(messages));
    cursor = messages.at(-1)?.cursor ?? '';
  }
  const rest = await readStream(server, { selector: everyone, limit: 10_000_000n, cursor });
  expect(rest.at(-1)?.summary).toMatchObject({ complete: true });
  expect([...taken, ...identifiersOf(rest)]).toEqual(
    Array.from({ length: PEOPLE }, (_, index) => `person-${index + 1}`),
  );
});

it('streams parts that make up the members at one exact revision, whatever changes meanwhile (I5)', async () => {
  const first = await readStream(server, { selector: segmentSelector('even'), shardCount: 7, freshness: latest });
  const revision = first[0]?.revision ?? 0n;
  await apply(server, [
    upsert('person-1', { even: text('yes') }),
    upsert('person-2', { even: text('no') }),
    remove('person-4'),
    upsert('late', { even: text('yes') }),
  ]);
  expect(
    (await server.membership.count({ selector: segmentSelector('even'), freshness: latest })).revision,
  ).toBeGreaterThan(revision);
  const others = await Promise.all(
    [1, 2, 3, 4, 5, 6].map((shardIndex) =>
      readStream(server, {
        selector: segmentSelector('even'),
        shardCount: 7,
        shardIndex,
        freshness: { level: { case: 'exactRevision', value: revision } },
      }),
    ),
  );
  const members = [first, ...others].flatMap(identifiersOf);
  expect(new Set(members).size).toBe(members.length);
  expect(members.sort()).toEqual(Array.from({ length: PEOPLE / 2 }, (_, index) => `person-${2 * index + 2}`).sort());
  const totals = [first, ...others].map(([message]) => Number(message?.total));
  expect(totals.reduce((sum, total) => sum + total)).toBe(PEOPLE / 2);
});

it('goes on at the revision of its cursor though members came, went and were deleted', async () => {
  const [message] = await firstMessages(server, '');
  const cursor = message?.cursor ?? '';
  const before = identifiersOf(message === undefined ? [] : [message]);
  await apply(server, [remove('person-39999'), upsert('newcomer', {})]);
  const rest = await readStream(server, { selector: everyone, cursor, strict: true });
  const members = [...before, ...identifiersOf(rest)];
  expect(rest[0]?.revision).toBe(message?.revision);
  expect(BigInt(members.length)).toBe(message?.total);
  expect(members).toContain('person-39999');
  expect(members).not.toContain('newcomer');
});

it('brings the traits when they are asked for, in messages that stay small', async () => {
  const bio = 'b'.repeat(50_000);
  await apply(
    server,
    Array.from({ length: 40 }, (_, n) => upsert(`talker-${n}`, { bio: text(bio), talks: int(n) })),
  );
  await putSegment(server, 'talkers', [all(condition('talks', 'IS_SET', ''))]);
  const messages = await readStream(server, { selector: segmentSelector('talkers'), includeTraits: true });
  const members = messages.flatMap((message) => message.members);
  expect(members.map(({ traits }) => traits['talks']?.kind.value)).toEqual(
    Array.from({ length: 40 }, (_, n) => BigInt(n)),
  );
  expect(members.every(({ traits }) => traits['bio']?.kind.value === bio)).toBe(true);
  expect(Math.max(...messages.map((one) => one.members.length))).toBe(1);
});

it('streams identifiers of any length and character', async () => {
  const odd = ['x'.repeat(2_000), '😀'.repeat(2_000), 'with\nnewline', 'tab\tand \u0002 mark', '\u2028', 'ÿ'];
  await apply(
    server,
    odd.map((identifier) => upsert(identifier, { odd: text('yes') })),
  );
  await putSegment(server, 'odd', [all(condition('odd', 'EQUAL', 'yes'))]);
  const messages = await readStream(server, { selector: segmentSelector('odd') });
  expect(identifiersOf(messages)).toEqual(odd);
  expect(messages.at(-1)?.summary).toMatchObject({ sent: 6n, crc32c: checksumOf(odd) });
});

it('goes on with a segment that was edited only where the caller is not strict, and says so', async () => {
  const numbers = segmentSelector('numbers');
  await putSegment(server, 'numbers', [all(condition('n', 'LESS_THAN', '2001'))]);
  const cut = await readStream(server, { selector: numbers, limit: 1_000n });
  const cursor = cut.at(-1)?.cursor ?? '';
  await server.segments.update({ segment: { key: 'numbers', rules: [all(condition('n', 'LESS_THAN', '1501'))] } });
  await eventually(async () => {
    expect((await server.membership.count({ selector: numbers, freshness: latest })).pending).toBe(false);
  });
  const strict = server.membership.streamMembers({ selector: numbers, cursor, strict: true })[Symbol.asyncIterator]();
  expect((await refusal(strict.next())).reason).toBe('CURSOR_EXPIRED');
  const rest = await readStream(server, { selector: numbers, cursor });
  expect(rest.every(({ revisionChanged }) => revisionChanged)).toBe(true);
  expect(identifiersOf(rest).at(-1)).toBe('person-1500');
});

it('expires a cursor whose revision the log no longer reaches, and an exact revision', async () => {
  const [message] = await firstMessages(server, '');
  const cursor = message?.cursor ?? '';
  await apply(server, [upsert('later', {})]);
  const environment = await findEnvironment(database.db.sql, 'default');
  if (environment === undefined) throw new Error('the environment is gone');
  while (!(await fold(database.db, environment.id, Number.MAX_SAFE_INTEGER)));
  await trim(database.db, environment.id, 0);
  const other = await startTestRollcall(database.url);
  try {
    const strict = other.membership.streamMembers({ selector: everyone, cursor, strict: true })[Symbol.asyncIterator]();
    expect(await refusal(strict.next())).toMatchObject({
      reason: 'CURSOR_EXPIRED',
      metadata: { revision: String(message?.revision) },
    });
    const exact = other.membership.count({
      selector: everyone,
      freshness: { level: { case: 'exactRevision', value: message?.revision ?? 0n } },
    });
    expect((await refusal(exact)).reason).toBe('CURSOR_EXPIRED');
    const rest = await readStream(other, { selector: everyone, cursor });
    expect(rest[0]?.revisionChanged).toBe(true);
    expect(identifiersOf(rest)).toContain('later');
  } finally {
    await other.stop();
  }
});

/** The first message after a cursor; then the stream is cut. */
async function firstMessages({ membership }: TestRollcall, cursor: string): Promise<StreamMembersResponse[]> {
  for await (const message of membership.streamMembers({ selector: everyone, cursor, strict: true })) return [message];
  return [];
}
