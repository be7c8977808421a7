import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { fromJson } from '@bufbuild/protobuf';
import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  AuditAction,
  type AuditEntry,
  AuditService,
  AuditSubject,
} from '../../src/gen/rollcall/v1/audit_service_pb.js';
import { EnvironmentSchema, OrdinalMode } from '../../src/gen/rollcall/v1/environment_service_pb.js';
import { FileFormat } from '../../src/gen/rollcall/v1/index_service_pb.js';
import { SegmentSchema } from '../../src/gen/rollcall/v1/segment_pb.js';
import { SegmentService } from '../../src/gen/rollcall/v1/segment_service_pb.js';
import { createTestDatabase } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';
import { all, condition, eventually, reasonOf, refusal, startTestRollcall } from '../helpers/rollcall.js';
import type { TestRollcall } from '../helpers/rollcall.js';

let database: TestDatabase;
let server: TestRollcall;
let project: string;
let projects = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestRollcall(database.url);
});

afterAll(async () => {
  await server.stop();
  await database.drop();
});

beforeEach(() => {
  project = `project-${projects++}`;
});

const asAnna = { headers: { 'rollcall-actor': 'anna' } };
const pro = [all(condition('plan', 'EQUAL', 'pro'))];
const free = [all(condition('plan', 'EQUAL', 'free'))];
const inList = (list: string) => [
  all({ property: 'plan', operator: 'IN', operand: { case: 'list' as const, value: list } }),
];
const put = (name: string, values: string[]) => server.segments.putList([{ project, name, values }], asAnna);
const documentOf = (segments: unknown) => Buffer.from(JSON.stringify(segments));

/** All entries of the project, the oldest first. */
async function entries(): Promise<AuditEntry[]> {
  const all: AuditEntry[] = [];
  for (let pageToken = ''; ;) {
    const page = await server.audit.listAuditEntries({ project, pageSize: 1_000, pageToken });
    all.push(...page.entries);
    pageToken = page.nextPageToken;
    if (pageToken === '') return all.reverse();
  }
}

const shortly = (entry: AuditEntry) =>
  `${AuditAction[entry.action]} ${AuditSubject[entry.subject]} ${entry.key} ${entry.actor}`;

describe('an entry tells', () => {
  it('of each write of a segment what it was and is, as the segment itself says in JSON', async () => {
    const { segment: created } = await server.segments.create(
      { segment: { project, key: 'payers', rules: pro } },
      asAnna,
    );
    const wanted = { project, key: 'payers', rules: free, description: 'all of them', parent: '' };
    const { segment: updated } = await server.segments.update({ segment: wanted }, asAnna);
    await server.segments.delete({ project, key: 'payers' }, asAnna);
    const written = await entries();
    expect(written.map(shortly)).toEqual([
      'CREATED SEGMENT payers anna',
      'UPDATED SEGMENT payers anna',
      'DELETED SEGMENT payers anna',
    ]);
    const states = written.map(({ before, after }) =>
      [before, after].map((state) => (state === undefined ? undefined : fromJson(SegmentSchema, state))),
    );
    expect(states).toEqual([
      [undefined, created],
      [created, updated],
      [updated, undefined],
    ]);
  });

  it('of a list its size and digest, and that its segments were moved to it', async () => {
    await put('plans', ['pro', 'max']);
    await server.segments.create({ segment: { project, key: 'listed', rules: inList('plans') } }, asAnna);
    await put('plans', ['pro']);
    const [put1, create, put2, moved] = await entries();
    expect(put1).toMatchObject({ subject: AuditSubject.LIST, action: AuditAction.CREATED, key: 'plans' });
    expect(put1?.before).toBeUndefined();
    expect(put1?.after).toMatchObject({
      project,
      name: 'plans',
      size: 2,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(put2).toMatchObject({ action: AuditAction.UPDATED, before: put1?.after ?? {}, after: { size: 1 } });
    expect(moved).toMatchObject({
      subject: AuditSubject.SEGMENT,
      key: 'listed',
      note: "the list 'plans' has other values",
    });
    expect(moved?.before).toEqual(create?.after);
    expect(moved?.after?.['etag']).toBe((await server.segments.get({ project, key: 'listed' })).segment?.etag);
  });

  it('of each segment of an import that changed it', async () => {
    const document = (value: string) =>
      documentOf(
        Array.from({ length: 100 }, (_, n) => ({
          name: `segment ${n}`,
          conditions: [{ attribute: 'n', operator: 'eq', value: n < 10 ? value : 'same' }],
        })),
      );
    await server.segments.import({ project, document: document('old') }, asAnna);
    const created = await entries();
    expect(created).toHaveLength(100);
    expect(new Set(created.map(({ action, note, actor }) => [action, note, actor].join(' ')))).toEqual(
      new Set([`${AuditAction.CREATED} imported anna`]),
    );
    await server.segments.import({ project, document: document('new') }, asAnna);
    const changed = (await entries()).slice(100);
    expect(changed.map(({ action }) => action)).toEqual(Array(10).fill(AuditAction.UPDATED));
    for (const { key, before, after } of changed) {
      expect(before).toEqual(created.find((entry) => entry.key === key)?.after);
      expect(after).toBeDefined();
    }
  });

  it('of an environment that it was created, that an atom was built again, and that it was deleted', async () => {
    const key = `env-of-${project}`;
    const settings = { key, project, organisation: 'org', ordinalMode: OrdinalMode.GIVEN };
    const { environment } = await server.environments.create({ environment: settings }, asAnna);
    await eventually(async () => {
      const { environments } = await server.index.getStatus({ environment: key, includeAtoms: true });
      if (environments[0]?.atomsBuilding !== 0n) throw new Error('the universe is being built');
    });
    await server.index.rebuildAtom({ environment: key, atomId: 0n }, asAnna);
    await server.environments.delete({ key }, asAnna);
    const [created, rebuilt, deleted] = await entries();
    expect([created, rebuilt, deleted].map((entry) => entry && shortly(entry))).toEqual([
      `CREATED ENVIRONMENT ${key} anna`,
      `UPDATED ENVIRONMENT ${key} anna`,
      `DELETED ENVIRONMENT ${key} anna`,
    ]);
    expect(fromJson(EnvironmentSchema, created?.after ?? {})).toEqual(environment);
    expect(rebuilt).toMatchObject({ note: 'atom 0 is built again' });
    expect(rebuilt?.after).toBeUndefined();
    expect(deleted?.before).toEqual(created?.after);
  });

  it('of an environment what an update changed, and which backfills were asked for and ended', async () => {
    const key = `env-of-${project}`;
    await server.environments.create({ environment: { key, project } });
    await server.environments.update({ key, name: 'Renamed' }, asAnna);
    await server.environments.update({ key, name: 'Renamed' }, asAnna);
    const start = { environment: key, fileName: 'people.ndjson', format: FileFormat.NDJSON };
    const load = (data: string) =>
      server.index.load(
        [{ part: { case: 'start', value: start } }, { part: { case: 'data', value: Buffer.from(data) } }],
        asAnna,
      );
    const { backfill } = await load('{"identifier": "a"}\n');
    expect(backfill?.requestedBy).toBe('anna');
    await expect(load('no row\n')).rejects.toThrow();
    const { backfill: ended } = await server.index.cancelBackfill({ environment: key }, asAnna);
    const [created, updated, ...notes] = await entries();
    expect(updated).toMatchObject({ action: AuditAction.UPDATED, before: created?.after ?? {}, actor: 'anna' });
    expect(updated?.after).toEqual({ ...created?.after, name: 'Renamed' });
    expect(notes.map(({ note, actor }) => `${note} (${actor})`)).toEqual([
      `backfill ${backfill?.id} from people.ndjson was asked for (anna)`,
      `backfill ${ended?.id} from people.ndjson was asked for (anna)`,
      `backfill ${ended?.id} was ended: it was cancelled (anna)`,
    ]);
  });

  it('of an organisation what an update changed', async () => {
    await server.organisations.update({ key: project, name: 'Shop' }, asAnna);
    await server.organisations.update({ key: project, name: 'Shop' }, asAnna);
    const { entries: written } = await server.audit.listAuditEntries({
      subject: AuditSubject.ORGANISATION,
      key: project,
    });
    expect(written).toHaveLength(1);
    expect(written[0]).toMatchObject({ actor: 'anna', after: { name: 'Shop' } });
  });
});

describe('nothing is written', () => {
  it('where an update, a list, an import or a dry run changes nothing', async () => {
    const { segment } = await server.segments.create({ segment: { project, key: 'payers', rules: pro } });
    await put('plans', ['pro']);
    const document = documentOf([{ name: 'imported', conditions: [] }]);
    await server.segments.import({ project, document });
    const before = await entries();
    const again = await server.segments.update({ segment: { project, key: 'payers', rules: pro } });
    expect(again.segment).toEqual(segment);
    await put('plans', ['pro', 'pro']);
    await server.segments.import({ project, document });
    await server.segments.import({ project, document: documentOf([{ name: 'other', conditions: [] }]), dryRun: true });
    expect(await entries()).toEqual(before);
  });

  it('where a write is refused', async () => {
    await server.segments.create({ segment: { project, key: 'parent', rules: pro } });
    await server.segments.create({ segment: { project, key: 'child', rules: pro, parent: 'parent' } });
    const key = `env-of-${project}`;
    await server.environments.create({ environment: { key, project } });
    const before = await entries();
    const calls = [
      server.segments.create({ segment: { project, key: 'parent', rules: free } }),
      server.segments.create({ segment: { project, key: 'bad', rules: [all(condition('plan', 'REGEX', '('))] } }),
      server.segments.update({ segment: { project, key: 'parent', rules: pro, parent: 'child' } }),
      server.segments.update({ segment: { project, key: 'parent', rules: inList('none') } }),
      server.segments.delete({ project, key: 'parent' }),
      server.environments.create({ environment: { key, project } }),
      server.index.rebuildAtom({ environment: key, atomId: 99n }),
    ];
    expect(await Promise.all(calls.map(async (call) => (await refusal(call)).reason))).toEqual([
      'SEGMENT_EXISTS',
      expect.stringMatching(/INVALID_OPERAND|UNSUPPORTED_PATTERN/),
      'SEGMENT_CYCLE',
      'LIST_NOT_FOUND',
      'SEGMENT_REFERENCED',
      'ENVIRONMENT_EXISTS',
      'ATOM_NOT_FOUND',
    ]);
    expect(await entries()).toEqual(before);
  });

  it('for those of concurrent edits that come too late', async () => {
    const { segment } = await server.segments.create({ segment: { project, key: 'payers', rules: pro } });
    const etag = segment?.etag ?? '';
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        server.segments
          .update({ segment: { project, key: 'payers', rules: pro, description: `edit ${n}`, etag } })
          .then(
            (answer) => answer.segment?.description,
            (error: unknown) => reasonOf(error),
          ),
      ),
    );
    const winners = outcomes.filter((outcome) => outcome !== 'ETAG_MISMATCH');
    expect(winners).toHaveLength(1);
    const written = await entries();
    expect(written.map(({ after }) => after?.['description'])).toEqual(['', winners[0]]);
  });

  it('by a transaction that is rolled back', async () => {
    await database.db.sql.unsafe(`
      create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
      create trigger refuse before insert on atom_log for each row execute function refuse()`);
    try {
      const key = `env-of-${project}`;
      await expect(server.environments.create({ environment: { key, project } })).rejects.toThrow();
    } finally {
      await database.db.sql.unsafe('drop trigger refuse on atom_log; drop function refuse');
    }
    expect(await entries()).toEqual([]);
  });
});

describe('the actor', () => {
  const overConnect = (headers: Record<string, string>) => {
    const transport = createConnectTransport({ baseUrl: `http://${server.httpAddress}`, httpVersion: '1.1' });
    const { create } = createClient(SegmentService, transport);
    return (key: string) => create({ segment: { project, key } }, { headers });
  };
  const overGrpc = (headers: Record<string, string>) => (key: string) =>
    server.segments.create({ segment: { project, key } }, { headers });
  const WAYS = [
    ['gRPC', overGrpc],
    ['Connect', overConnect],
  ] as const;

  it.each(WAYS)('is what the header says, else the address, over %s', async (_, over) => {
    await over({ 'rollcall-actor': 'anna@example.org' })('a');
    await over({ 'rollcall-actor': 'J%C3%BCrgen%20M%C3%BCller 100%25' })('b');
    await over({ 'rollcall-actor': encodeURIComponent('ü'.repeat(255)) })('c');
    await over({})('d');
    expect((await entries()).map(({ actor }) => actor)).toEqual([
      'anna@example.org',
      'Jürgen Müller 100%',
      'ü'.repeat(255),
      '127.0.0.1',
    ]);
  });

  it.each(WAYS)('is refused where it is too long or not printable, over %s', async (_, over) => {
    for (const actor of ['x'.repeat(256), 'a%0Ab', 'a%E2%80%AEb', '100%', '%FF']) {
      const error: unknown = await over({ 'rollcall-actor': actor })('a').catch((thrown: unknown) => thrown);
      expect(String(error), actor).toContain('printable');
    }
    expect(await entries()).toEqual([]);
  });

  it('of a stream of messages is known, too', async () => {
    await put('plans', ['pro']);
    await server.segments.putList([{ project, name: 'others', values: ['x'] }]);
    expect((await entries()).map(({ actor }) => actor)).toEqual(['anna', '127.0.0.1']);
  });
});

describe('entries are listed', () => {
  const list = async (request: Parameters<typeof server.audit.listAuditEntries>[0]) =>
    (await server.audit.listAuditEntries({ project, ...request })).entries.map(({ key }) => key);

  it('by all that they are, the newest first', async () => {
    const key = `env-of-${project}`;
    await server.environments.create({ environment: { key, project } });
    await put('plans', ['pro']);
    await server.segments.create({ segment: { project, key: 'a', rules: pro } }, asAnna);
    await server.segments.create(
      { segment: { project, key: 'b', rules: pro } },
      { headers: { 'rollcall-actor': 'bert' } },
    );
    await server.segments.update({ segment: { project, key: 'a', rules: free } });
    await server.segments.delete({ project, key: 'b' }, asAnna);
    expect(await list({})).toEqual(['b', 'a', 'b', 'a', 'plans', key]);
    expect(await list({ subject: AuditSubject.SEGMENT })).toEqual(['b', 'a', 'b', 'a']);
    expect(await list({ subject: AuditSubject.LIST })).toEqual(['plans']);
    expect(await list({ subject: AuditSubject.ORGANISATION })).toEqual([]);
    expect(await list({ action: AuditAction.CREATED })).toEqual(['b', 'a', 'plans', key]);
    expect(await list({ key: 'a' })).toEqual(['a', 'a']);
    expect(await list({ actor: 'anna' })).toEqual(['b', 'a', 'plans']);
    expect(await list({ actor: 'bert', subject: AuditSubject.SEGMENT, action: AuditAction.CREATED, key: 'b' })).toEqual(
      ['b'],
    );
    expect(await list({ project: 'another' })).toEqual([]);
    const { entries: found } = await server.audit.listAuditEntries({ key: 'plans', project });
    expect(found[0]).toMatchObject({ project, id: expect.any(BigInt) as bigint });
  });

  it('from a time on and up to a time', async () => {
    await server.segments.create({ segment: { project, key: 'a' } });
    await new Promise((resolve) => setTimeout(resolve, 5));
    await server.segments.create({ segment: { project, key: 'b' } });
    const [, second] = await entries();
    const at = second?.at;
    if (at === undefined) throw new Error('the entry has no time');
    expect(await list({ since: at })).toEqual(['b']);
    expect(await list({ until: at })).toEqual(['a']);
    expect(await list({ since: timestampFromDate(new Date(timestampDate(at).getTime() + 60_000)) })).toEqual([]);
    for (const seconds of [-1n, 2n ** 62n])
      expect(await refusal(server.audit.listAuditEntries({ since: { seconds, nanos: 0 } }))).toMatchObject({
        reason: 'INVALID_REQUEST',
      });
  });

  it('page by page, each once, while others are added', async () => {
    for (let n = 0; n < 10; n++) await server.segments.create({ segment: { project, key: `s-${n}` } });
    const seen: string[] = [];
    for (let pageToken = ''; ;) {
      const page = await server.audit.listAuditEntries({ project, pageSize: 3, pageToken });
      expect(page.entries.length).toBeLessThanOrEqual(3);
      seen.push(...page.entries.map(({ key }) => key));
      await server.segments.create({ segment: { project, key: `late-${seen.length}` } });
      pageToken = page.nextPageToken;
      if (pageToken === '') break;
    }
    expect(seen).toEqual(Array.from({ length: 10 }, (_, n) => `s-${9 - n}`));
    expect(await refusal(server.audit.listAuditEntries({ pageToken: 'nonsense' }))).toMatchObject({
      reason: 'INVALID_CURSOR',
    });
  });

  it('in pages of bounded size, a large one alone', async () => {
    const large = (n: number) => {
      const conditions = Array.from({ length: 16 }, () => condition('plan', 'EQUAL', `${n}`.padEnd(40_000, 'x')));
      return { segment: { project, key: 'large', rules: [all(...conditions)] } };
    };
    await server.segments.create(large(0));
    for (const n of [1, 2, 3]) await server.segments.update(large(n));
    const sizes: number[] = [];
    for (let pageToken = ''; ;) {
      const page = await server.audit.listAuditEntries({ project, pageToken });
      sizes.push(page.entries.length);
      pageToken = page.nextPageToken;
      if (pageToken === '') break;
    }
    expect(sizes).toEqual([1, 1, 2]);
  });

  it('over Connect as over gRPC', async () => {
    await server.segments.create({ segment: { project, key: 'a', rules: pro } }, asAnna);
    const transport = createConnectTransport({
      baseUrl: `http://${server.httpAddress}`,
      httpVersion: '1.1',
      useHttpGet: true,
    });
    const { listAuditEntries } = createClient(AuditService, transport);
    expect((await listAuditEntries({ project })).entries).toEqual(await entries());
  });
});
