import { afterAll, beforeAll, expect, it } from 'vitest';
import { OrdinalMode, SourceKind } from '../../src/gen/rollcall/v1/environment_service_pb.js';
import { BackfillState, BackfillUnit } from '../../src/gen/rollcall/v1/index_service_pb.js';
import {
  createIdentityTable,
  type DynamoDbServer,
  edgeItem,
  putItems,
  REGION,
  startDynamoDb,
} from '../helpers/dynamodb-server.js';
import { createTestDatabase, type TestDatabase } from '../helpers/postgres.js';
import {
  all,
  condition,
  eventually,
  refusal,
  segmentSelector,
  startTestRollcall,
  type TestRollcall,
  untilAnswered,
} from '../helpers/rollcall.js';
import { readExposition, valueOf } from './metrics/exposition.js';

const ITEMS = 3_000;

let edge: DynamoDbServer;
let database: TestDatabase;
let server: TestRollcall;

beforeAll(async () => {
  [edge, database] = await Promise.all([startDynamoDb(), createTestDatabase()]);
  await createIdentityTable(edge.client);
  const items = Array.from({ length: ITEMS }, (_, n) =>
    edgeItem('edge', `user-${n}`, { n: { N: String(n) }, vip: { BOOL: n % 4 === 0 } }),
  );
  const bad = edgeItem('edge', 'user-bad', { n: { B: new Uint8Array([1]) } });
  await putItems(edge.client, [...items, bad, edgeItem('other', 'user-1', { vip: { BOOL: true } })]);
  server = await startTestRollcall(database.url, {
    dynamodbRegion: REGION,
    dynamodbEndpoint: edge.endpoint,
    refreshCooldownSeconds: '0',
  });
}, 60_000);

afterAll(async () => {
  await server.stop();
  await database.drop();
  await edge.stop();
});

const ended = ({ index }: Pick<TestRollcall, 'index'> = server, environment = 'edge') =>
  eventually(async () => {
    const { backfill } = await index.getBackfill({ environment });
    if (backfill === undefined || backfill.state === BackfillState.RUNNING) throw new Error('it runs');
    return backfill;
  });

it('an environment of Flagsmith Edge is loaded from DynamoDB, and says what it left out', async () => {
  const { environment } = await server.environments.create({
    environment: { key: 'edge', source: SourceKind.DYNAMODB },
  });
  expect(environment).toMatchObject({ ordinalMode: OrdinalMode.ALLOTTED, source: SourceKind.DYNAMODB });
  const done = await ended();
  expect(done).toMatchObject({
    state: BackfillState.DONE,
    source: 'DynamoDB table flagsmith_identities, environment edge',
    identitiesRead: BigInt(ITEMS),
    rowsSkipped: 1n,
    unit: BackfillUnit.UNSPECIFIED,
  });
  expect(done.skipped).toMatchObject([{ identifier: 'user-bad' }]);
  await server.segments.create({ segment: { key: 'vips', rules: [all(condition('vip', 'EQUAL', 'true'))] } });
  expect(
    await untilAnswered(() => server.membership.count({ selector: segmentSelector('vips', 'edge') })),
  ).toMatchObject({ count: BigInt(ITEMS / 4) });
});

it('a refresh takes over what changed in the table', async () => {
  await putItems(edge.client, [edgeItem('edge', 'user-1', { vip: { BOOL: true } })]);
  await server.index.refresh({ environment: 'edge' });
  expect(await ended()).toMatchObject({ state: BackfillState.DONE, first: false, identitiesChanged: 1n });
  await eventually(async () =>
    expect(await server.membership.count({ selector: segmentSelector('vips', 'edge') })).toMatchObject({
      count: BigInt(ITEMS / 4 + 1),
    }),
  );
});

it('what backfills did is on the page of metrics', async () => {
  const page = readExposition(await (await fetch(`http://${server.httpAddress}/metrics`)).text());
  const value = (name: string, labels?: Record<string, string>) => valueOf(page, name, labels);
  expect(value('rollcall_backfills_total', { outcome: 'done' })).toBe(2);
  expect(value('rollcall_backfill_identities_read_total')).toBe(2 * ITEMS);
  expect(value('rollcall_backfill_identities_changed_total')).toBe(ITEMS + 1);
  expect(value('rollcall_backfill_identities_swept_total')).toBe(0);
  expect(value('rollcall_backfill_rows_skipped_total')).toBe(2);
  expect(value('rollcall_backfill_seconds_count')).toBe(2);
  expect(value('rollcall_backfill_running', { environment: 'edge' })).toBe(undefined);
});

it('an environment is loaded by a scan of all of the table where the options say so', async () => {
  const own = await createTestDatabase();
  const scanning = await startTestRollcall(own.url, {
    ...{ dynamodbRegion: REGION, dynamodbEndpoint: edge.endpoint, dynamodbScanSegments: '2' },
  });
  await scanning.environments.create({ environment: { key: 'other', source: SourceKind.DYNAMODB } });
  expect(await ended(scanning, 'other')).toMatchObject({
    ...{ state: BackfillState.DONE, identitiesRead: 1n, rowsSkipped: 0n, position: BigInt(ITEMS + 2) },
  });
  await scanning.stop();
  await own.drop();
});

it('an environment whose ordinals come from elsewhere than its source cannot be created', async () => {
  const wrong = { key: 'wrong', source: SourceKind.DYNAMODB, ordinalMode: OrdinalMode.GIVEN };
  expect(await refusal(server.environments.create({ environment: wrong }))).toMatchObject({
    reason: 'INVALID_REQUEST',
    metadata: { field: 'source' },
  });
});
