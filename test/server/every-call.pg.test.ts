import { createClient } from '@connectrpc/connect';
import type { Client, Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditAction, AuditService, AuditSubject } from '../../src/gen/rollcall/v1/audit_service_pb.js';
import { EnvironmentService, OrdinalMode } from '../../src/gen/rollcall/v1/environment_service_pb.js';
import { AtomState, EnvironmentState, IndexService } from '../../src/gen/rollcall/v1/index_service_pb.js';
import { IngestService } from '../../src/gen/rollcall/v1/ingest_service_pb.js';
import { MembershipService } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import type { StreamMembersResponse } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { RuleType } from '../../src/gen/rollcall/v1/segment_pb.js';
import { SegmentService } from '../../src/gen/rollcall/v1/segment_service_pb.js';
import { createTestDatabase } from '../helpers/postgres.js';
import type { TestDatabase } from '../helpers/postgres.js';
import {
  all,
  condition,
  eventually,
  identifiersOf,
  int,
  people,
  remove,
  segmentSelector,
  startTestRollcall,
  upsert,
} from '../helpers/rollcall.js';
import type { Clients, TestRollcall } from '../helpers/rollcall.js';

let database: TestDatabase;
let server: TestRollcall;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestRollcall(database.url);
});

afterAll(async () => {
  await server.stop();
  await database.drop();
});

interface Services {
  readonly environments: Pick<Client<typeof EnvironmentService>, 'create' | 'get' | 'list' | 'update' | 'delete'>;
  readonly segments: Client<typeof SegmentService>;
  readonly membership: Client<typeof MembershipService>;
  readonly ingest: Client<typeof IngestService>;
  readonly index: Client<typeof IndexService>;
  readonly audit: Client<typeof AuditService>;
}

function over(transport: Transport): Services {
  return {
    environments: createClient(EnvironmentService, transport),
    segments: createClient(SegmentService, transport),
    membership: createClient(MembershipService, transport),
    ingest: createClient(IngestService, transport),
    index: createClient(IndexService, transport),
    audit: createClient(AuditService, transport),
  };
}

const baseUrl = (): string => `http://${server.httpAddress}`;
const TRANSPORTS: readonly [string, () => Clients | Services][] = [
  ['gRPC', () => server],
  [
    'Connect with JSON',
    () => over(createConnectTransport({ baseUrl: baseUrl(), httpVersion: '1.1', useBinaryFormat: false })),
  ],
  ['gRPC-Web', () => over(createGrpcWebTransport({ baseUrl: baseUrl(), httpVersion: '1.1' }))],
];

describe.each(TRANSPORTS)('over %s', (name, connect) => {
  const key = name.toLowerCase().replaceAll(' ', '-');
  const selector = segmentSelector('young', key);
  const latest = { level: { case: 'latest' as const, value: true } };
  const young = { project: key, key: 'young', rules: [all(condition('n', 'LESS_THAN', '10'))] };
  let services: Services;
  let etag: string;

  beforeAll(() => {
    services = connect();
  });

  it('creates, gets and lists environments', async () => {
    const { environment } = await services.environments.create({ environment: { key, project: key } });
    expect(environment).toMatchObject({
      key,
      name: key,
      project: key,
      organisation: 'default',
      ordinalMode: OrdinalMode.ALLOTTED,
    });
    expect((await services.environments.get({ key })).environment).toEqual(environment);
    expect((await services.environments.list({ project: key })).environments).toEqual([environment]);
  });

  it('creates, gets, updates and lists segments', async () => {
    const { segment } = await services.segments.create({ segment: young });
    expect(segment).toMatchObject({ key: 'young', name: 'young', enabled: true, project: key });
    const update = { ...young, description: 'below ten', etag: segment?.etag ?? '' };
    const updated = (await services.segments.update({ segment: update })).segment;
    expect(updated).toMatchObject({ description: 'below ten', enabled: true });
    etag = updated?.etag ?? '';
    expect(etag).not.toBe(segment?.etag);
    expect((await services.segments.get({ project: key, key: 'young' })).segment).toEqual(updated);
    await services.segments.create({
      segment: { project: key, key: 'child', parent: 'young', rules: [{ type: RuleType.ALL }] },
    });
    const first = await services.segments.list({ project: key, pageSize: 1 });
    expect(first.segments.map((one) => one.key)).toEqual(['child']);
    const second = await services.segments.list({ project: key, pageSize: 1, pageToken: first.nextPageToken });
    expect([second.segments[0]?.key, second.nextPageToken]).toEqual(['young', '']);
    expect(
      (await services.segments.listChildren({ project: key, key: 'young' })).segments.map((one) => one.key),
    ).toEqual(['child']);
  });

  it('puts lists', async () => {
    const put = await services.segments.putList(
      pieces(
        { project: key, name: 'vips', values: ['person-1', 'person-2'], expectedSize: 4n },
        { values: ['person-2', 'person-3'] },
      ),
    );
    expect(put).toMatchObject({ project: key, name: 'vips', size: 3n });
    const rules = [
      {
        type: RuleType.ALL,
        conditions: [
          { property: '$.identity.identifier', operator: 'IN', operand: { case: 'list' as const, value: 'vips' } },
        ],
      },
    ];
    const { segment } = await services.segments.create({ segment: { project: key, key: 'vip', rules } });
    expect(segment?.rules[0]?.conditions[0]?.operand).toEqual({ case: 'list', value: 'vips' });
  });

  it('applies changes', async () => {
    const applied = await services.ingest.applyChanges(
      pieces(
        { changes: people(20, 'person', key) },
        { changes: [upsert('person-19', { n: int(5) }, key), remove('nobody', key)] },
      ),
    );
    expect(applied).toMatchObject({ applied: 22n, unchanged: 1n });
    expect(applied.revisions.map(({ environment }) => environment)).toEqual([key]);
    const again = await services.ingest.applyChanges(pieces({ changes: [upsert('person-19', { n: int(5) }, key)] }));
    expect(again).toMatchObject({ applied: 1n, unchanged: 1n });
    expect(again.revisions[0]?.revision).toBeGreaterThanOrEqual(applied.revisions[0]?.revision ?? 0n);
  });

  it('counts, samples, lists and streams the members of a segment', async () => {
    const counted = await eventually(() => services.membership.count({ selector, freshness: latest }));
    expect(counted).toMatchObject({ count: 11n, etag, pending: false });
    if (counted.asOf === undefined) throw new Error('the answer has no as_of');
    expect(Math.abs(timestampDate(counted.asOf).getTime() - Date.now())).toBeLessThan(10_000);
    const everyone = [...Array.from({ length: 10 }, (_, n) => `person-${n}`), 'person-19'];
    const sample = await services.membership.sample({ selector, size: 1000, seed: -5n, includeTraits: true });
    expect(sample).toMatchObject({ count: 11n, seed: -5n });
    expect(sample.members.map(({ identifier }) => identifier)).toEqual(everyone);
    expect(sample.members.at(-1)?.traits['n']?.kind).toEqual({ case: 'intValue', value: 5n });
    const page = await services.membership.listMembers({ selector, pageSize: 10 });
    const rest = await services.membership.listMembers({ selector, pageToken: page.nextPageToken });
    expect([...page.members, ...rest.members].map(({ identifier }) => identifier)).toEqual(everyone);
    const messages: StreamMembersResponse[] = [];
    for await (const message of services.membership.streamMembers({ selector })) messages.push(message);
    expect(identifiersOf(messages)).toEqual(everyone);
    expect(messages.at(-1)?.summary).toMatchObject({ complete: true, sent: 11n });
  });

  it('checks membership of every enabled segment, and explains one', async () => {
    const identity = { identity: { case: 'identifier' as const, value: 'person-3' } };
    const checked = await eventually(async () => {
      const answer = await services.membership.checkMembership({ environment: key, identity });
      expect(answer.results.every(({ outcome }) => outcome.case === 'member')).toBe(true);
      return answer;
    });
    expect(checked.results.map(({ segment, outcome }) => [segment, outcome.value])).toEqual([
      ['child', true],
      ['vip', true],
      ['young', true],
    ]);
    const explained = await services.membership.explain({ selector, identity });
    expect(explained).toMatchObject({
      member: true,
      etag,
      root: { node: { case: 'segment', value: 'young' }, truth: true, count: 11n },
    });
    expect(explained.root?.children[0]?.children[0]).toMatchObject({
      label: 'n LESS_THAN 10',
      truth: true,
      count: 11n,
    });
  });

  it('tells the status of the index, verifies it and builds an atom again', async () => {
    const status = await services.index.getStatus({ environment: key, includeAtoms: true });
    const [environment] = status.environments;
    expect(environment).toMatchObject({
      environment: key,
      state: EnvironmentState.READY,
      identities: 20n,
      atomsBuilding: 0n,
    });
    expect(environment?.atoms.every(({ state, progress }) => state === AtomState.READY && progress === 1)).toBe(true);
    expect(status.totals).toMatchObject({ environments: 1n, identities: 20n });
    const verified = await services.index.verify({ environment: key });
    expect(verified).toMatchObject({ identitiesChecked: 20n, differences: [] });
    const atomId = environment?.atoms[0]?.id ?? 0n;
    const rebuilt = await services.index.rebuildAtom({ environment: key, atomId });
    expect(rebuilt.atom).toMatchObject({ id: atomId, state: AtomState.BUILDING });
    expect((await eventually(() => services.membership.count({ selector, freshness: latest }))).count).toBe(11n);
  });

  it('updates environments', async () => {
    const { environment } = await services.environments.update({ key, name: 'Renamed' });
    expect(environment).toMatchObject({ key, name: 'Renamed', project: key });
    expect((await services.environments.get({ key })).environment).toEqual(environment);
  });

  it('deletes segments and environments', async () => {
    await services.segments.delete({ project: key, key: 'child' });
    await services.segments.delete({ project: key, key: 'young', etag });
    await services.environments.delete({ key });
    expect((await services.environments.list({ project: key })).environments).toEqual([]);
  });

  it('lists what was done, the newest first, page by page', async () => {
    const first = await services.audit.listAuditEntries({ project: key, pageSize: 3 });
    expect(first.entries.map(({ action, subject, key: of }) => [action, subject, of])).toEqual([
      [AuditAction.DELETED, AuditSubject.ENVIRONMENT, key],
      [AuditAction.DELETED, AuditSubject.SEGMENT, 'young'],
      [AuditAction.DELETED, AuditSubject.SEGMENT, 'child'],
    ]);
    expect(first.entries[1]?.before).toMatchObject({ key: 'young', description: 'below ten' });
    const pageToken = first.nextPageToken;
    const rest = await services.audit.listAuditEntries({ project: key, pageSize: 1_000, pageToken });
    expect(rest.entries.at(0)).toMatchObject({ action: AuditAction.UPDATED, after: { name: 'Renamed' } });
    expect(rest.entries.at(-1)).toMatchObject({ action: AuditAction.CREATED, subject: AuditSubject.ENVIRONMENT });
    expect(rest.nextPageToken).toBe('');
  });
});

async function* pieces<T>(...messages: T[]): AsyncGenerator<T> {
  for (const message of messages) yield await Promise.resolve(message);
}
