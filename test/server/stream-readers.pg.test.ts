import { setTimeout as sleep } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { DescMessage, DescMethod, MessageInitShape } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import type { Client, ClientReadableStream } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { IndexService } from '../../src/gen/rollcall/v1/index_service_pb.js';
import {
  MembershipService,
  StreamMembersRequestSchema,
  StreamMembersResponseSchema,
} from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { inTransaction } from '../../src/storage/database.js';
import { errorInfoOf, openRawStream, rawGrpcClient } from '../helpers/grpc-client.js';
import { heldBytes } from '../helpers/held-memory.js';
import { createTestDatabase } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';
import {
  all,
  apply,
  condition,
  putSegment,
  readStream,
  reasonOf,
  refusal,
  segmentSelector,
  startTestRollcall,
  store,
  upsert,
} from '../helpers/rollcall.js';
import type { TestRollcall } from '../helpers/rollcall.js';

const PEOPLE = 140_000;
const everyone = segmentSelector('everyone');
/** About 220 bytes each, so that all of them are far more than any buffer on the way. */
const LONG_IDENTIFIER = `repeat('x', 200) || n`;

let database: TestDatabase;
let server: TestRollcall;
let client: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestRollcall(database.url, { streamProgressTimeoutMs: '3000', maxStreamsPerCaller: '2' });
  client = rawGrpcClient(server.grpcPort);
  await server.environments.create({ environment: { key: 'default' } });
  await store(server, database, PEOPLE, LONG_IDENTIFIER);
  await putSegment(server, 'everyone', [all()]);
  await putSegment(server, 'few', [all(condition('n', 'LESS_THAN', '100'))]);
});

afterAll(async () => {
  client.close();
  await server.stop();
  await database.drop();
});

function openStream(
  request: MessageInitShape<typeof StreamMembersRequestSchema> = { selector: everyone },
  by = client,
): ClientReadableStream<Buffer> {
  return openRawStream(
    by,
    MembershipService.method.streamMembers,
    toBinary(StreamMembersRequestSchema, create(StreamMembersRequestSchema, request)),
  );
}

/** The error that a stream ends with. */
function endOf(stream: ClientReadableStream<Buffer>): Promise<unknown> {
  return new Promise((resolve) => stream.once('error', resolve));
}

async function heldRevisions(): Promise<number> {
  return (await database.db.sql`select from held_revision`).length;
}

async function runningStatements(): Promise<string[]> {
  const rows = await database.db.sql<{ query: string }[]>`
    select query from pg_stat_activity where datname = current_database() and application_name = 'rollcall' and state = 'active' and wait_event_type = 'Lock' and query ~* '^[[:space:]]*select'`;
  return rows.map(({ query }) => query);
}

it('costs a reader that pauses for a while a bounded amount of memory, and then gives it everything (I12)', async () => {
  const patient = await startTestRollcall(database.url);
  const reader = rawGrpcClient(patient.grpcPort);
  const stream = openStream({ selector: everyone }, reader);
  await new Promise((resolve) => stream.once('readable', resolve));
  const before = heldBytes();
  await sleep(700);
  expect(heldBytes() - before).toBeLessThan(16 * 2 ** 20);
  let members = 0;
  let summary: unknown;
  for await (const bytes of stream) {
    const message = fromBinary(StreamMembersResponseSchema, bytes as Buffer);
    members += message.members.length;
    summary = message.summary;
  }
  expect(members).toBe(PEOPLE);
  expect(summary).toMatchObject({ complete: true, sent: BigInt(PEOPLE) });
  reader.close();
  await patient.stop();
});

it('ends a stream that is never read, gives its place back and lets go of its revision', async () => {
  const open = [openStream(), openStream()];
  const ended = Promise.all(open.map(endOf));
  await Promise.all(open.map((stream) => new Promise((resolve) => stream.once('readable', resolve))));
  const third = server.membership.streamMembers({ selector: segmentSelector('few') })[Symbol.asyncIterator]();
  expect(await refusal(third.next())).toEqual({ reason: 'TOO_MANY_STREAMS', metadata: { limit: '2' } });
  await expect.poll(heldRevisions, { timeout: 30_000 }).toBe(0);
  for (const stream of open) stream.resume();
  for (const error of await ended) expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  expect((await readStream(server, { selector: segmentSelector('few') })).at(-1)?.summary).toMatchObject({ sent: 99n });
  await expect.poll(heldRevisions, { timeout: 10_000 }).toBe(0);
});

it.each<[string, DescMethod, MessageInitShape<DescMessage>]>([
  ['a stream', MembershipService.method.streamMembers, { selector: everyone }],
  ['a page with a query', MembershipService.method.listMembers, { selector: everyone, query: 'y' }],
  ['a verification', IndexService.method.verify, { environment: 'default' }],
])('stops the statement of %s in Postgres when the caller cancels, and at its deadline', async (_, method, init) => {
  const request = toBinary(method.input, create(method.input, init));
  for (const how of ['cancel', 'deadline']) {
    await inTransaction(database.db, { isolation: 'read committed' }, async (tx) => {
      await tx`lock table identity in access exclusive mode`;
      const stream = openRawStream(client, method, request, how === 'deadline' ? { timeoutMs: 800 } : {});
      const ended = endOf(stream);
      stream.resume();
      await expect.poll(runningStatements, { timeout: 5_000 }).not.toEqual([]);
      if (how === 'cancel') stream.cancel();
      await expect.poll(runningStatements, { timeout: 5_000 }).toEqual([]);
      expect(await ended).toMatchObject({ code: how === 'cancel' ? status.CANCELLED : status.DEADLINE_EXCEEDED });
    });
  }
});

it('keeps the identifiers of members that are deleted while a stream of an earlier revision goes on', async () => {
  const stream = openStream();
  await new Promise((resolve) => stream.once('readable', resolve));
  const [held] = await database.db.sql<{ revision: number }[]>`select revision from held_revision`;
  const last = `${'x'.repeat(200)}${PEOPLE}`;
  const revision = await apply(server, [
    { environmentKey: 'default', identifier: last, change: { case: 'delete', value: {} } },
  ]);
  expect(held?.revision).toBeLessThan(Number(revision));
  let found = false;
  for await (const bytes of stream)
    found ||= fromBinary(StreamMembersResponseSchema, bytes as Buffer).members.some(
      ({ identifier }) => identifier === last,
    );
  expect(found).toBe(true);
  await apply(server, [upsert(last, {})]);
});

it('ends open streams in good order when it is stopped: CANCELLED, once the grace is over', async () => {
  const other = await startTestRollcall(database.url, { shutdownGraceMs: '300' });
  const others = rawGrpcClient(other.grpcPort);
  const request = toBinary(StreamMembersRequestSchema, create(StreamMembersRequestSchema, { selector: everyone }));
  const stream = openRawStream(others, MembershipService.method.streamMembers, request);
  await new Promise((resolve) => stream.once('readable', resolve));
  const ended = endOf(stream);
  const startedAt = performance.now();
  const stopped = other.stop();
  await sleep(400);
  stream.resume();
  const error = await ended;
  expect(errorInfoOf(error)?.reason ?? error).toBe('CANCELLED');
  expect(reasonOf(error)).toBe('CANCELLED');
  await stopped;
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  others.close();
});
