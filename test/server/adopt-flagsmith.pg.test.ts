import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  AdoptionOutcome,
  type EnvironmentServiceAdoptFlagsmithResponse,
  IdentityKeyMode,
  OrdinalMode,
  SourceKind,
} from '../../src/gen/rollcall/v1/environment_service_pb.js';
import { ErrorReason } from '../../src/gen/rollcall/v1/error_reason_pb.js';
import { EnvironmentState } from '../../src/gen/rollcall/v1/index_service_pb.js';
import { ImportOutcome } from '../../src/gen/rollcall/v1/segment_service_pb.js';
import { createFlagsmith, type Flagsmith, insertIdentities } from '../helpers/flagsmith.js';
import { createTestDatabase, type TestDatabase } from '../helpers/postgres.js';
import {
  eventually,
  refusal,
  segmentSelector,
  startTestRollcall,
  type TestRollcall,
  untilAnswered,
} from '../helpers/rollcall.js';

const { CREATED, UPDATED, UNCHANGED, FAILED } = AdoptionOutcome;

let flagsmith: Flagsmith;
let database: TestDatabase;
let server: TestRollcall;

/** Two organisations; the second has a project of one environment; a deleted project, and a deleted segment. */
beforeAll(async () => {
  flagsmith = await createFlagsmith();
  const { sql } = flagsmith;
  await sql`insert into organisations_organisation (id, name) values (2, 'Initech')`;
  await sql`insert into projects_project (id, name, organisation_id, deleted_at) values (2, 'Mail', 2, null), (3, 'Old', 1, now())`;
  await sql`insert into environments_environment (id, name, project_id, api_key, use_mv_v2_evaluation) values (4, 'Live', 2, 'mail-live', false), (5, 'Old', 3, 'old', true)`;
  await insertIdentities(sql, 1, 1, 300);
  await insertIdentities(sql, 2, 301, 340);
  await insertIdentities(sql, 4, 341, 400);
  await insertSegment(1, 'paying', { property: 'paid', operator: 'EQUAL', value: 'true' });
  await insertSegment(1, 'half', { property: '$.identity.key', operator: 'PERCENTAGE_SPLIT', value: '50' });
  await insertSegment(1, 'broken', { property: 'plan', operator: 'SOUNDS_LIKE', value: 'pro' });
  await insertSegment(1, 'deleted', { property: 'paid', operator: 'EQUAL', value: 'true' }, 'now()');
  await insertSegment(2, 'old enough', { property: 'age', operator: 'GREATER_THAN', value: '350' });
});
afterAll(() => flagsmith.drop());

let nextSegment = 10;
async function insertSegment(
  project: number,
  name: string,
  { property, operator, value }: { property: string; operator: string; value: string },
  deletedAt = 'null',
): Promise<void> {
  const id = nextSegment++;
  const { sql } = flagsmith;
  await sql.unsafe(
    `insert into segments_segment (id, name, project_id, version_of_id, version, deleted_at) values (${id}, '${name}', ${project}, ${id}, 1, ${deletedAt})`,
  );
  await sql`insert into segments_segmentrule (id, type, segment_id) values (${id * 10}, 'ALL', ${id})`;
  await sql`insert into segments_segmentrule (id, type, rule_id) values (${id * 10 + 1}, 'ANY', ${id * 10})`;
  await sql`insert into segments_condition (rule_id, property, operator, value) values (${id * 10 + 1}, ${property}, ${operator}, ${value})`;
}

beforeEach(async () => {
  database = await createTestDatabase();
  server = await startTestRollcall(database.url, { flagsmithDatabaseUrl: flagsmith.url });
});
afterEach(async () => {
  await server.stop();
  await database.drop();
});

async function adopt(
  request: { project?: string; environment?: string; dryRun?: boolean } = {},
): Promise<EnvironmentServiceAdoptFlagsmithResponse[]> {
  const projects: EnvironmentServiceAdoptFlagsmithResponse[] = [];
  for await (const project of server.environments.adoptFlagsmith(request)) projects.push(project);
  return projects;
}

const outcomes = (projects: readonly EnvironmentServiceAdoptFlagsmithResponse[]) =>
  projects.map(({ organisation, environments, segments }) => ({
    organisation: organisation?.outcome,
    environments: environments.map(({ key, outcome }) => [key, outcome]),
    segments: segments.map(({ key, outcome }) => [key, outcome]),
  }));

const count = async (segment: string, environment: string) =>
  (
    await untilAnswered(() =>
      server.membership.count({
        selector: segmentSelector(segment, environment),
        freshness: { level: { case: 'latest', value: true } },
      }),
    )
  ).count;

const allLoaded = () =>
  eventually(async () => {
    const { environments } = await server.index.getStatus({});
    expect(environments.map(({ environment, identities, state }) => [environment, identities, state])).toEqual([
      ['env-1', 300n, EnvironmentState.READY],
      ['env-2', 40n, EnvironmentState.READY],
      ['env-3', 0n, EnvironmentState.READY],
      ['mail-live', 60n, EnvironmentState.READY],
    ]);
  });

it('adopting a Flagsmith database brings over organisations, environments and segments, and loads them', async () => {
  const [shop, mail, ...others] = await adopt();
  expect(others).toEqual([]);
  expect(shop).toMatchObject({
    project: '1',
    projectName: 'Shop',
    organisation: { key: '1', name: 'Acme', outcome: CREATED },
    environments: [1, 2, 3].map((n) => ({ key: `env-${n}`, name: `Environment ${n}`, outcome: CREATED })),
  });
  expect(shop?.segments).toMatchObject([
    { key: '10', name: 'paying', outcome: ImportOutcome.CREATED, enabled: true, disabledReason: '' },
    { key: '11', name: 'half', enabled: true },
    { key: '12', name: 'broken', enabled: false, disabledReason: expect.stringMatching(/^UNKNOWN_OPERATOR/) as string },
  ]);
  expect(mail).toMatchObject({ organisation: { key: '2', name: 'Initech' }, environments: [{ key: 'mail-live' }] });
  expect((await server.environments.get({ key: 'mail-live' })).environment).toMatchObject({
    name: 'Live',
    project: '2',
    organisation: '2',
    ordinalMode: OrdinalMode.GIVEN,
    identityKeyMode: IdentityKeyMode.ID,
    source: SourceKind.FLAGSMITH,
  });
  await allLoaded();
  expect(await count('10', 'env-1')).toBe(150n);
  expect(await count('10', 'env-2')).toBe(20n);
  expect(await count('14', 'mail-live')).toBe(50n);
  expect(await refusal(server.membership.count({ selector: segmentSelector('13', 'env-1') }))).toMatchObject({
    reason: 'SEGMENT_NOT_FOUND',
  });
}, 60_000);

it('adopting again changes only what has changed', async () => {
  await adopt();
  await allLoaded();
  const revisions = async () => (await server.index.getStatus({})).environments.map(({ revision }) => revision);
  const before = await revisions();
  const unchanged = {
    organisation: UNCHANGED,
    environments: ['env-1', 'env-2', 'env-3'].map((key) => [key, UNCHANGED]),
    segments: ['10', '11', '12'].map((key) => [key, ImportOutcome.UNCHANGED]),
  };
  expect(outcomes(await adopt())[0]).toEqual(unchanged);
  expect(await revisions()).toEqual(before);
  const { sql } = flagsmith;
  try {
    await sql`update organisations_organisation set name = 'Acme Inc.' where id = 1`;
    await sql`update environments_environment set use_mv_v2_evaluation = false, name = 'Production' where id = 1`;
    await sql`insert into environments_environment (id, name, project_id, api_key) values (9, 'New', 1, 'env-9')`;
    await sql`update segments_condition set value = 'false' where rule_id = 101`;
    const changed = {
      organisation: UPDATED,
      environments: [
        ['env-1', UPDATED],
        ['env-2', UNCHANGED],
        ['env-3', UNCHANGED],
        ['env-9', CREATED],
      ],
      segments: [
        ['10', ImportOutcome.UPDATED],
        ['11', ImportOutcome.UNCHANGED],
        ['12', ImportOutcome.UNCHANGED],
      ],
    };
    expect(outcomes(await adopt({ project: '1', dryRun: true }))).toEqual([changed]);
    expect(await revisions()).toEqual(before);
    expect(await refusal(server.environments.get({ key: 'env-9' }))).toMatchObject({ reason: 'ENVIRONMENT_NOT_FOUND' });
    expect(outcomes(await adopt({ project: '1' }))).toEqual([changed]);
    expect((await server.environments.get({ key: 'env-1' })).environment).toMatchObject({
      name: 'Production',
      identityKeyMode: IdentityKeyMode.ID,
    });
    await eventually(async () => expect(await count('10', 'env-1')).toBe(150n));
    expect(outcomes(await adopt({ project: '1' }))[0]).toMatchObject({ organisation: UNCHANGED });
  } finally {
    await sql`update organisations_organisation set name = 'Acme' where id = 1`;
    await sql`update environments_environment set use_mv_v2_evaluation = true, name = 'Environment 1' where id = 1`;
    await sql`delete from environments_environment where id = 9`;
    await sql`update segments_condition set value = 'true' where rule_id = 101`;
  }
}, 60_000);

it('an environment under a key that another one has is not taken, and keeps nothing else out', async () => {
  await server.environments.create({ environment: { key: 'env-2', project: 'mine' } });
  const [shop] = await adopt({ project: '1' });
  expect(shop?.environments.map(({ outcome }) => outcome)).toEqual([CREATED, FAILED, CREATED]);
  expect(shop?.environments[1]?.failure).toEqual(
    expect.objectContaining({
      reason: ErrorReason.ENVIRONMENT_EXISTS,
      explanation: expect.stringContaining("its project is 'mine', not '1'") as string,
    }),
  );
  expect((await server.environments.get({ key: 'env-2' })).environment).toMatchObject({ project: 'mine' });
});

it('one environment can be adopted by itself, and one that Flagsmith does not have cannot', async () => {
  expect(outcomes(await adopt({ environment: 'env-2' }))).toMatchObject([{ environments: [['env-2', CREATED]] }]);
  expect((await server.environments.list({})).environments.map(({ key }) => key)).toEqual(['env-2']);
  expect(await refusal(adopt({ environment: 'old' }))).toMatchObject({ reason: 'ENVIRONMENT_NOT_FOUND' });
  expect(await refusal(adopt({ project: '99' }))).toMatchObject({ reason: 'ENVIRONMENT_NOT_FOUND' });
});

it('a dry run writes nothing', async () => {
  expect(outcomes(await adopt({ dryRun: true }))).toHaveLength(2);
  for (const table of ['organisation', 'environment', 'segment', 'audit_entry'])
    expect((await database.db.sql.unsafe(`select from ${table}`)).length, table).toBe(0);
});

it('a service that is not configured for Flagsmith adopts nothing', async () => {
  const plain = await startTestRollcall(database.url);
  try {
    const calls = plain.environments.adoptFlagsmith({})[Symbol.asyncIterator]();
    expect(await refusal(calls.next())).toMatchObject({
      reason: 'SOURCE_NOT_CONFIGURED',
      metadata: { source: 'flagsmith' },
    });
  } finally {
    await plain.stop();
  }
});
