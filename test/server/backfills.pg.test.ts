import { setTimeout as sleep } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack, durationMs } from '@bufbuild/protobuf/wkt';
import { Metadata } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { RetryInfoSchema } from '../../src/gen/google/rpc/error_details_pb.js';
import { StatusSchema } from '../../src/gen/google/rpc/status_pb.js';
import { SourceKind } from '../../src/gen/rollcall/v1/environment_service_pb.js';
import { type Backfill, BackfillState, EnvironmentState } from '../../src/gen/rollcall/v1/index_service_pb.js';
import { createFlagsmith, type Flagsmith, insertIdentities } from '../helpers/flagsmith.js';
import { errorInfoOf, errorOf } from '../helpers/grpc-client.js';
import { createTestDatabase, type TestDatabase } from '../helpers/postgres.js';
import {
  all,
  apply,
  condition,
  eventually,
  int,
  refusal,
  segmentSelector,
  startTestRollcall,
  type TestRollcall,
  text,
  untilAnswered,
  upsert,
} from '../helpers/rollcall.js';

const PEOPLE = 12_000;
/** More than is read ahead. */
const MANY = 30_000;
const KEY = 'env-1';
const environment = KEY;
const PROJECT = '1';

let flagsmith: Flagsmith;
let database: TestDatabase;
let server: TestRollcall;

beforeAll(async () => {
  flagsmith = await createFlagsmith();
  await insertIdentities(flagsmith.sql, 1, 1, PEOPLE);
});
afterAll(() => flagsmith.drop());

beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await server.stop();
  await database.drop();
});

async function start(flags: Record<string, string> = {}): Promise<void> {
  server = await startTestRollcall(database.url, { flagsmithDatabaseUrl: flagsmith.url, ...flags });
}

/** An environment that is loaded from Flagsmith, with a segment of those who pay. */
async function createSourced(): Promise<void> {
  await server.segments.create({
    segment: { project: PROJECT, key: 'paying', rules: [all(condition('paid', 'EQUAL', 'true'))] },
  });
  await server.environments.create({ environment: { key: KEY, project: PROJECT, source: SourceKind.FLAGSMITH } });
}

const newest = async (): Promise<Backfill> => {
  const { backfill } = await server.index.getBackfill({ environment });
  if (backfill === undefined) throw new Error('an answer without its backfill');
  return backfill;
};

const ended = (): Promise<Backfill> =>
  eventually(async () => {
    const backfill = await newest();
    if (backfill.state === BackfillState.RUNNING) throw new Error('it runs');
    return backfill;
  });

const countPaying = () =>
  server.membership.count({
    selector: segmentSelector('paying', KEY),
    freshness: { level: { case: 'latest', value: true } },
  });

const payingInSource = async (): Promise<bigint> => {
  const [row] = await flagsmith.sql<{ count: number }[]>`
    select count(*)::int as count from environments_trait join environments_identity on environments_identity.id = identity_id
    where environment_id = 1 and trait_key = 'paid' and boolean_value`;
  return BigInt(row?.count ?? -1);
};

/** What the RetryInfo of an error says; undefined where it has none. */
function retryMsOf(error: unknown): number | undefined {
  if (!(error instanceof Error && 'metadata' in error && error.metadata instanceof Metadata)) return undefined;
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  if (!(bytes instanceof Uint8Array)) return undefined;
  const details = fromBinary(StatusSchema, bytes).details.map((detail) => anyUnpack(detail, RetryInfoSchema));
  const delay = details.find((info) => info !== undefined)?.retryDelay;
  return delay === undefined ? undefined : durationMs(delay);
}

/** What `insertIdentities` gives an identity. */
const sourceTraits = (n: number) => ({ age: n, plan: `plan ${n % 3}`, paid: n % 2 === 0, score: n / 2 });

const traitsOf = async (identifier: string): Promise<unknown> => {
  const [row] = await database.db.sql<{ traits: unknown }[]>`
    select traits from identity where identifier = ${identifier} and deleted_revision is null`;
  return row?.traits;
};

const stateOf = async () => (await server.index.getStatus({ environment })).environments[0];

it('an environment with a source is loading from its creation, refuses reads with its progress, and is ready with what the source has', async () => {
  await start({ backfillIdentitiesPerSecond: '5000' });
  await createSourced();
  const refused = await errorOf(countPaying());
  expect(errorInfoOf(refused)).toMatchObject({ reason: 'ENVIRONMENT_LOADING', metadata: { environment: KEY } });
  await eventually(async () => expect((await newest()).identitiesRead).toBe(5_000n));
  expect(await stateOf()).toMatchObject({
    state: EnvironmentState.LOADING,
    backfill: { state: BackfillState.RUNNING, position: 5_000n, total: BigInt(PEOPLE), first: true, sweeps: true },
  });
  const running = await newest();
  expect(running.identitiesPerSecond).toBeGreaterThan(0);
  expect(running.etaSeconds).toBeGreaterThan(0);
  expect((await refusal(countPaying())).metadata).toMatchObject({ progress: expect.stringMatching(/^0\.4/) as string });
  expect(await ended()).toMatchObject({
    state: BackfillState.DONE,
    identitiesRead: BigInt(PEOPLE),
    identitiesChanged: BigInt(PEOPLE),
    rowsSkipped: 0n,
    error: '',
  });
  expect(await untilAnswered(countPaying)).toMatchObject({ count: await payingInSource() });
  expect(await stateOf()).toMatchObject({ state: EnvironmentState.READY, identities: BigInt(PEOPLE) });
  // Without a feed the answers are as of the moment in which the reading began.
  const { startedAt } = await newest();
  await eventually(async () => expect((await countPaying()).asOf).toEqual(startedAt));
});

it('a server that stops half-way leaves a backfill to the next, which goes on from its cursor', async () => {
  await start({ backfillIdentitiesPerSecond: '5000' });
  await createSourced();
  await eventually(async () => expect((await newest()).identitiesRead).toBe(5_000n));
  const { id } = await newest();
  await server.stop();
  await start();
  expect(await ended()).toMatchObject({ id, state: BackfillState.DONE, identitiesRead: BigInt(PEOPLE) });
  expect(await untilAnswered(countPaying)).toMatchObject({ count: await payingInSource() });
});

it('a backfill that is cancelled ends at once, and the environment has failed until one is complete', async () => {
  await start({ backfillIdentitiesPerSecond: '500' });
  await createSourced();
  await eventually(async () => expect((await newest()).identitiesRead).toBeGreaterThan(0n));
  const { backfill } = await server.index.cancelBackfill({ environment });
  expect(backfill).toMatchObject({ state: BackfillState.CANCELLED, error: 'CANCELLED: it was cancelled' });
  expect(await refusal(countPaying())).toMatchObject({
    reason: 'ENVIRONMENT_FAILED',
    metadata: { cause: 'CANCELLED' },
  });
  expect(await refusal(server.index.cancelBackfill({ environment }))).toMatchObject({ reason: 'BACKFILL_NOT_FOUND' });
  await sleep(1_200);
  expect((await server.index.listBackfills({ environment })).backfills).toHaveLength(1);
  await server.index.backfill({ environment, identitiesPerSecond: 1_000_000 });
  expect(await ended()).toMatchObject({ state: BackfillState.DONE, first: true });
  expect(await untilAnswered(countPaying)).toMatchObject({ count: await payingInSource() });
});

it('a refresh is refused while a backfill runs and within the cooldown, with the time left', async () => {
  await start({ backfillIdentitiesPerSecond: '8000', refreshCooldownSeconds: '3' });
  await createSourced();
  await eventually(async () => expect((await newest()).identitiesRead).toBeGreaterThan(0n));
  const running = await refusal(server.index.refresh({ environment }));
  expect(running).toMatchObject({ reason: 'BACKFILL_RUNNING', metadata: { backfill: String((await newest()).id) } });
  expect(Number(running.metadata['retryAfterMs'])).toBeGreaterThan(0);
  expect(retryMsOf(await errorOf(server.index.refresh({ environment })))).toBeGreaterThan(0);
  expect(await refusal(server.index.backfill({ environment }))).toMatchObject({ reason: 'BACKFILL_RUNNING' });
  await ended();
  const cooling = await refusal(server.index.refresh({ environment }));
  expect(cooling).toMatchObject({ reason: 'REFRESH_COOLDOWN', metadata: { environment: KEY } });
  const leftMs = Number(cooling.metadata['retryAfterMs']);
  expect(leftMs).toBeGreaterThan(1_000);
  expect(leftMs).toBeLessThanOrEqual(3_000);
  expect(String(await errorOf(server.index.refresh({ environment })))).toMatch(/again in [123] s$/);
  const again = retryMsOf(await errorOf(server.index.refresh({ environment })));
  expect(again).toBeGreaterThan(0);
  expect(again).toBeLessThanOrEqual(leftMs);
  await sleep(leftMs);
  const { backfill } = await server.index.refresh({ environment });
  expect(backfill).toMatchObject({ state: BackfillState.RUNNING, first: false, sweeps: true });
  expect(await countPaying()).toMatchObject({ count: await payingInSource() });
  expect(await ended()).toMatchObject({ id: backfill?.id, state: BackfillState.DONE, identitiesChanged: 0n });
  const { backfills, nextPageToken } = await server.index.listBackfills({ environment, pageSize: 1 });
  expect(backfills.map(({ id }) => id)).toEqual([backfill?.id]);
  const rest = await server.index.listBackfills({ environment, pageToken: nextPageToken });
  expect([rest.backfills.length, rest.nextPageToken]).toEqual([1, '']);
});

it('an environment is loaded again by itself at the configured interval, and takes over what changed in the source', async () => {
  await start({ refreshIntervalSeconds: '1' });
  await createSourced();
  await ended();
  const before = await payingInSource();
  await flagsmith.sql`update environments_trait set boolean_value = true where trait_key = 'paid' and identity_id in (1, 3, 5)`;
  await flagsmith.sql`delete from environments_trait where identity_id = 12000`;
  await flagsmith.sql`delete from environments_identity where id = 12000`;
  try {
    await eventually(async () => expect((await countPaying()).count).toBe(before + 2n));
    expect(await stateOf()).toMatchObject({ identities: BigInt(PEOPLE - 1) });
  } finally {
    await flagsmith.sql`update environments_trait set boolean_value = false where trait_key = 'paid' and identity_id in (1, 3, 5)`;
    await insertIdentities(flagsmith.sql, 1, 12_000, 12_000);
  }
});

it('live changes during a backfill win, and what it loads is right for all others', async () => {
  await start({ backfillIdentitiesPerSecond: '5000' });
  await createSourced();
  await eventually(async () => expect((await newest()).identitiesRead).toBe(5_000n));
  const flip = (id: number, paid: boolean) => ({
    ...upsert(`user-${id}`, { paid: { kind: { case: 'boolValue' as const, value: paid } }, age: int(id) }, KEY),
    identityId: BigInt(id),
  });
  await apply(server, [flip(1, true), flip(2, false), flip(11_999, true), flip(11_998, false)]);
  await apply(server, [{ environmentKey: KEY, identifier: 'user-11996', change: { case: 'delete', value: {} } }]);
  await apply(server, [
    {
      environmentKey: KEY,
      identifier: 'user-11995',
      identityId: 11_995n,
      change: { case: 'setTraits', value: { traits: { plan: text('live') } } },
    },
  ]);
  await ended();
  expect(await untilAnswered(countPaying)).toMatchObject({ count: (await payingInSource()) - 1n });
  const { members } = await server.membership.listMembers({
    selector: segmentSelector('paying', KEY),
    query: 'user-1199',
  });
  expect(members.map(({ identifier }) => identifier)).toEqual(['user-11990', 'user-11992', 'user-11994', 'user-11999']);
  expect(await traitsOf('user-11995')).toEqual({ ...sourceTraits(11_995), plan: 'live' });
  expect(await traitsOf('user-11994')).toEqual(sourceTraits(11_994));
  expect(await traitsOf('user-11999')).toEqual({ paid: true, age: 11_999 });
  expect(await server.index.verify({ environment: KEY })).toMatchObject({ differences: [] });
});

it('a backfill whose source goes away has failed with the reason, and goes on where it stopped', async () => {
  const other = await createFlagsmith();
  try {
    await insertIdentities(other.sql, 1, 1, MANY);
    server = await startTestRollcall(database.url, {
      flagsmithDatabaseUrl: other.url,
      backfillIdentitiesPerSecond: '5000',
    });
    await createSourced();
    await eventually(async () => expect((await newest()).identitiesRead).toBe(5_000n));
    await other.sql`alter table environments_identity rename to away`;
    const failed = await ended();
    expect(failed.state).toBe(BackfillState.FAILED);
    expect(failed.identitiesRead).toBeLessThan(BigInt(MANY));
    expect(failed.error).toMatch(/^(INVALID_DOCUMENT|SOURCE_UNAVAILABLE): /);
    expect(await refusal(countPaying())).toMatchObject({ reason: 'ENVIRONMENT_FAILED' });
    expect(await stateOf()).toMatchObject({ state: EnvironmentState.FAILED });
    await other.sql`alter table away rename to environments_identity`;
    const { backfill } = await server.index.backfill({ environment, identitiesPerSecond: 1_000_000 });
    expect(backfill).toMatchObject({ id: failed.id, resumed: 1 });
    expect(await ended()).toMatchObject({ id: failed.id, state: BackfillState.DONE, identitiesRead: BigInt(MANY) });
    expect(await untilAnswered(countPaying)).toMatchObject({ count: BigInt(MANY / 2) });
  } finally {
    await other.drop();
  }
});

it('an environment whose source is not configured, or is none, cannot be loaded', async () => {
  server = await startTestRollcall(database.url);
  await server.environments.create({ environment: { key: 'default' } });
  expect(await refusal(server.index.backfill({ environment: 'default' }))).toMatchObject({
    reason: 'SOURCE_NOT_CONFIGURED',
    metadata: { environment: 'default', source: '' },
  });
  await createSourced();
  expect(await refusal(server.index.refresh({ environment }))).toMatchObject({
    reason: 'SOURCE_NOT_CONFIGURED',
    metadata: { source: 'flagsmith' },
  });
  expect(await ended()).toMatchObject({
    state: BackfillState.FAILED,
    error: expect.stringMatching(/^SOURCE_NOT_CONFIGURED/) as string,
  });
  expect(await refusal(server.index.getBackfill({ environment: 'default' }))).toMatchObject({
    reason: 'BACKFILL_NOT_FOUND',
  });
  expect(await refusal(server.index.backfill({ environment: 'nowhere' }))).toMatchObject({
    reason: 'ENVIRONMENT_NOT_FOUND',
  });
});

it('an environment that the source does not know has failed, and nothing of it is removed', async () => {
  await start();
  await server.environments.create({ environment: { key: 'gone', source: SourceKind.FLAGSMITH } });
  const error = await eventually(async () => {
    const { backfill } = await server.index.getBackfill({ environment: 'gone' });
    if (backfill?.state !== BackfillState.FAILED) throw new Error('not failed yet');
    return backfill.error;
  });
  expect(error).toBe("ENVIRONMENT_NOT_FOUND: Flagsmith has no environment with the key 'gone'");
});
