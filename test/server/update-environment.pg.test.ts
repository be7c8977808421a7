import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Environment,
  IdentityKeyMode,
  OrdinalMode,
  SourceKind,
} from '../../src/gen/rollcall/v1/environment_service_pb.js';
import { AuditAction, type AuditEntry, AuditSubject } from '../../src/gen/rollcall/v1/audit_service_pb.js';
import { createTestDatabase, type TestDatabase } from '../helpers/postgres.js';
import {
  all,
  apply,
  condition,
  eventually,
  people,
  refusal,
  type RuleInit,
  segmentSelector,
  startTestRollcall,
  type TestRollcall,
  untilAnswered,
} from '../helpers/rollcall.js';

const asAnna = { headers: { 'rollcall-actor': 'anna' } };
const latest = { level: { case: 'latest' as const, value: true } };
const PEOPLE = 20;

let database: TestDatabase;
let server: TestRollcall;
let key: string;
let created: Environment | undefined;
let environments = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestRollcall(database.url);
});
afterAll(async () => {
  await server.stop();
  await database.drop();
});
beforeEach(async () => {
  await create(OrdinalMode.ALLOTTED);
});

async function create(ordinalMode: OrdinalMode): Promise<void> {
  key = `environment-${environments++}`;
  const environment = { key, project: key, name: 'Old', ordinalMode };
  ({ environment: created } = await server.environments.create({ environment }));
  const changes = people(PEOPLE, 'person', key);
  const isGiven = ordinalMode === OrdinalMode.GIVEN;
  await apply(server, isGiven ? changes.map((change, n) => ({ ...change, identityId: BigInt(1_000 + n) })) : changes);
}

const stored = async (): Promise<Environment | undefined> => (await server.environments.get({ key })).environment;
const revision = async () => (await server.index.getStatus({ environment: key })).environments[0]?.revision;
const count = async (segment: string) =>
  server.membership.count({ selector: segmentSelector(segment, key), freshness: latest });

async function putSegment(segment: string, rules: RuleInit[]): Promise<bigint> {
  await server.segments.create({ segment: { project: key, key: segment, rules } });
  return (await untilAnswered(() => count(segment))).count;
}

/** How many there are once the newest settings are those that are served. */
async function countAnew(segment: string): Promise<bigint> {
  return eventually(async () => {
    const answer = await count(segment);
    if (answer.pending) throw new Error('the earlier settings are served');
    return answer.count;
  });
}

async function updates(): Promise<AuditEntry[]> {
  const asked = { subject: AuditSubject.ENVIRONMENT, key, action: AuditAction.UPDATED };
  return (await server.audit.listAuditEntries(asked)).entries;
}

describe('updating an environment', () => {
  it('gives it another name, which its segments see, and leaves the rest as it is', async () => {
    expect(await putSegment('named', [all(condition('$.environment.name', 'EQUAL', 'New'))])).toBe(0n);
    const { environment } = await server.environments.update({ key, name: 'New' }, asAnna);
    expect(environment).toEqual({ ...created, name: 'New' });
    expect(await stored()).toEqual(environment);
    expect(await countAnew('named')).toBe(BigInt(PEOPLE));
  });

  it('switches what identity.key is, and with it who is in what share', async () => {
    await create(OrdinalMode.GIVEN);
    const share = await putSegment('share', [all(condition('', 'PERCENTAGE_SPLIT', '50'))]);
    expect(await putSegment('numbered', [all(condition('$.identity.key', 'REGEX', '[0-9]+$'))])).toBe(0n);
    const { environment } = await server.environments.update({ key, identityKeyMode: IdentityKeyMode.ID }, asAnna);
    expect(environment).toEqual({ ...created, identityKeyMode: IdentityKeyMode.ID });
    expect(await countAnew('numbered')).toBe(BigInt(PEOPLE));
    await server.environments.update({ key, identityKeyMode: IdentityKeyMode.COMPOSITE }, asAnna);
    expect(await countAnew('numbered')).toBe(0n);
    expect(await countAnew('share')).toBe(share);
  });

  it('names another source, and serves what is stored', async () => {
    await putSegment('even', [all(condition('even', 'EQUAL', 'yes'))]);
    const { environment } = await server.environments.update({ key, source: SourceKind.DYNAMODB }, asAnna);
    expect(environment).toEqual({ ...created, source: SourceKind.DYNAMODB });
    expect((await count('even')).count).toBe(BigInt(PEOPLE / 2));
    await server.environments.update({ key, source: SourceKind.UNSPECIFIED }, asAnna);
    expect(await stored()).toEqual(created);
  });

  it('changes several things at once, noted as one change with who made it and what was before', async () => {
    const wanted = { name: 'New', identityKeyMode: IdentityKeyMode.ID, source: SourceKind.DYNAMODB };
    await server.environments.update({ key, ...wanted }, asAnna);
    const [entry, ...others] = await updates();
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ actor: 'anna', project: key, key });
    const before = { name: 'Old', identityKeyMode: 'IDENTITY_KEY_MODE_COMPOSITE' };
    expect(entry?.before).toMatchObject(before);
    expect(entry?.after).toEqual({
      ...entry?.before,
      name: 'New',
      identityKeyMode: 'IDENTITY_KEY_MODE_ID',
      source: 'SOURCE_KIND_DYNAMODB',
    });
  });

  it('changes and notes nothing where nothing is to be changed', async () => {
    const before = await revision();
    for (const same of [{}, { name: 'Old' }, { source: SourceKind.UNSPECIFIED }])
      expect((await server.environments.update({ key, ...same }, asAnna)).environment).toEqual(created);
    expect([await revision(), await updates()]).toEqual([before, []]);
  });
});

describe('an update is refused', () => {
  it('of an environment that is not there, or not any more', async () => {
    const expected = { reason: 'ENVIRONMENT_NOT_FOUND', metadata: { environment: key } };
    await server.environments.delete({ key });
    expect(await refusal(server.environments.update({ key, name: 'New' }))).toEqual(expected);
    expect(await refusal(server.environments.update({ key, source: SourceKind.DYNAMODB }))).toEqual(expected);
  });

  it('to a source whose ordinals are not those of the environment, with nothing of it done', async () => {
    const update = server.environments.update({ key, name: 'New', source: SourceKind.FLAGSMITH });
    expect(await refusal(update)).toEqual({ reason: 'INVALID_REQUEST', metadata: { field: 'source' } });
    expect([await stored(), await updates()]).toEqual([created, []]);
  });

  it.each([
    ['no key', { key: '' }],
    ['an empty name', { name: '' }],
    ['a name that is too long', { name: 'x'.repeat(2_001) }],
    ['a mode that is not known', { identityKeyMode: 9 }],
    ['a source that is not known', { source: 9 }],
  ])('with %s', async (_, request) => {
    const { reason } = await refusal(server.environments.update({ key, ...request }));
    expect(reason).toBe('INVALID_REQUEST');
    expect(await stored()).toEqual(created);
  });
});
