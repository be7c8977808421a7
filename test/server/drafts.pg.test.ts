import { afterAll, beforeAll, expect, it } from 'vitest';
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
  readStream,
  reasonOf,
  refusal,
  segmentSelector,
  startTestRollcall,
  store,
} from '../helpers/rollcall.js';
import type { RuleInit, TestRollcall } from '../helpers/rollcall.js';

const latest = { level: { case: 'latest' as const, value: true } };

let database: TestDatabase;
let server: TestRollcall;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestRollcall(database.url, { maxBuildsPerOrganisation: '2' });
  await server.environments.create({ environment: { key: 'default' } });
  await server.environments.create({ environment: { key: 'elsewhere', organisation: 'another' } });
  await store(server, database, 70_000);
  await putSegment(server, 'even', [all(condition('even', 'EQUAL', 'yes'))]);
});

afterAll(async () => {
  await server.stop();
  await database.drop();
});

/** A test of every identifier, which takes a while. */
const slow = (text: string): RuleInit[] => [all(condition('$.identity.identifier', 'REGEX', `.*1.*${text}$`))];
const count = (rules: RuleInit[], timeoutMs = 20_000, environment = 'default') =>
  server.membership.count({ selector: draftSelector(rules, environment), freshness: latest }, { timeoutMs });
const atoms = async (): Promise<string[]> =>
  (await server.index.getStatus({ environment: 'default', includeAtoms: true })).environments[0]?.atoms.map(
    ({ definition }) => definition,
  ) ?? [];

it('answers a draft at once where its atoms exist, and leaves no trace of it', async () => {
  const before = await atoms();
  const rules: RuleInit[] = [all(condition('even', 'EQUAL', 'yes')), all(condition('', 'in_segment', 'even'))];
  expect(await count(rules)).toMatchObject({ count: 35_000n, etag: '', pending: false });
  expect(await atoms()).toEqual(before);
});

it('builds the atoms that a draft needs within the deadline, for every kind of read', async () => {
  expect((await count([all(condition('n', 'LESS_THAN', '1001'))])).count).toBe(1_000n);
  const rules = [all(condition('n', 'LESS_THAN', '501'), condition('even', 'EQUAL', 'yes'))];
  expect((await readStream(server, { selector: draftSelector(rules) })).at(-1)?.summary).toMatchObject({ sent: 250n });
  const page = await server.membership.listMembers({ selector: draftSelector(rules), pageSize: 3 });
  const next = await server.membership.listMembers({
    selector: draftSelector(rules),
    pageSize: 3,
    pageToken: page.nextPageToken,
  });
  expect([...page.members, ...next.members].map(({ id }) => Number(id))).toEqual([2, 4, 6, 8, 10, 12]);
  const identity = { identity: { case: 'id' as const, value: 7n } };
  const explained = await server.membership.explain({
    selector: draftSelector([all(condition('n', 'EQUAL', '7'))]),
    identity,
  });
  expect(explained).toMatchObject({ member: true, root: { node: { case: 'segment', value: '' }, count: 1n } });
});

it('says ATOM_BUILDING with the progress when time runs out, and answers when asked again', async () => {
  const many: RuleInit[] = [
    { type: RuleType.ALL, rules: Array.from({ length: 12 }, (_, n) => `${n}5${n}`).flatMap(slow) },
  ];
  const refused = await refusal(count(many, 1_500));
  expect(refused).toMatchObject({
    reason: 'ATOM_BUILDING',
    metadata: { atom: expect.stringMatching(/^\d+$/) as string },
  });
  const progress = Number(refused.metadata['progress']);
  expect(progress >= 0 && progress < 1).toBe(true);
  expect(
    (
      await eventually(
        () => count(many),
        (error) => reasonOf(error) === 'ATOM_BUILDING',
      )
    ).count,
  ).toBe(0n);
});

it('counts changes that come while the atom of a draft is built (I1)', async () => {
  const counting = count(slow('77'));
  const revision = await apply(server, [...people(300, 'x1-77'), ...people(200, 'person-1')]);
  const { count: counted, revision: seen } = await counting;
  const expected = await database.db.sql<
    { count: number }[]
  >`select count(*)::int as count from identity where identifier ~ '1.*77$' and deleted_revision is null`;
  expect((await count(slow('77'))).count).toBe(BigInt(expected[0]?.count ?? -1));
  if (seen >= revision) expect(counted).toBe(BigInt(expected[0]?.count ?? -1));
});

it('caps the drafts that are built at once for one organisation, not for another', async () => {
  const building = [count(slow('11')), count(slow('22'))];
  const refused = await eventually(async () => {
    const answer = await refusal(count(slow('33')));
    expect(answer.reason).toBe('TOO_MANY_BUILDS');
    return answer;
  });
  expect(refused.metadata).toMatchObject({ organisation: 'default', limit: '2' });
  expect((await count([all(condition('n', 'EQUAL', '1'))], 20_000, 'elsewhere')).count).toBe(0n);
  expect((await count([all(condition('even', 'EQUAL', 'yes'))])).count).toBeGreaterThan(0n);
  await Promise.all(building);
});

it('knows a segment that another server created a moment ago', async () => {
  const other = await startTestRollcall(database.url, { pollIntervalMs: '60000' });
  await other.membership.count({ selector: segmentSelector('even') });
  await server.segments.create({ segment: { key: 'brand-new', rules: [all(condition('even', 'EQUAL', 'yes'))] } });
  expect((await other.membership.count({ selector: segmentSelector('brand-new') })).count).toBeGreaterThan(0n);
  await server.segments.create({ segment: { key: 'newer-still', rules: [all(condition('even', 'EQUAL', 'yes'))] } });
  expect(
    (await other.membership.count({ selector: draftSelector([all(condition('', 'in_segment', 'newer-still'))]) }))
      .count,
  ).toBeGreaterThan(0n);
  await other.stop();
});

it('drops the atoms of drafts that were not used for a while, and keeps those of segments', async () => {
  await database.db.sql`update atom set used_at = now() - interval '1 hour'`;
  const other = await startTestRollcall(database.url, { draftExpirySeconds: '600' });
  await expect.poll(atoms, { timeout: 25_000, interval: 500 }).toEqual(['even EQUAL yes']);
  expect((await count([all(condition('n', 'LESS_THAN', '1001'))])).count).toBeGreaterThanOrEqual(1_000n);
  await other.stop();
});
