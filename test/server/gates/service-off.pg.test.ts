import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../../src/gen/grpc/health/v1/health_pb.js';
import { connectGrpcClient } from '../../helpers/grpc-client.js';
import { createEmptyDatabase, type TestDatabase } from '../../helpers/postgres.js';
import {
  readStream,
  refusal,
  segmentSelector,
  startTestRollcall,
  type TestRollcall,
  upsert,
} from '../../helpers/rollcall.js';

let database: TestDatabase;
let server: TestRollcall;

beforeEach(async () => {
  database = await createEmptyDatabase();
  const kafka = { kafkaBrokers: '127.0.0.1:1', membershipOrganisations: '*' };
  server = await startTestRollcall(database.url, { segmentMembershipEnabled: 'false', ...kafka });
});
afterEach(async () => {
  await server.stop();
  await database.drop();
});

it('a service that is switched off answers every call with the reason, over gRPC and over HTTP', async () => {
  const stream = async (): Promise<void> => {
    await readStream(server, { selector: segmentSelector('any') });
  };
  const calls = [
    () => server.membership.count({ selector: segmentSelector('any') }),
    () => server.ingest.applyChanges([{ changes: [upsert('ada', {})] }]),
    () => server.environments.create({ environment: { key: 'default' } }),
    () => server.index.getStatus({}),
    () => server.organisations.list({}),
    () => server.segments.list({}),
    stream,
  ];
  for (const call of calls)
    expect(await refusal(call())).toEqual({ reason: 'INDEX_OFF', metadata: { gate: 'service' } });
  const response = await fetch(`http://${server.httpAddress}/rollcall.v1.IndexService/GetStatus`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  expect(await response.json()).toMatchObject({ code: 'failed_precondition' });
  expect(server.warnings.join('')).toContain('SEGMENT_MEMBERSHIP_ENABLED=true');
});

it('it is healthy, ready and measured all the same, and touches no database', async () => {
  const health = connectGrpcClient(Health, server.grpcPort);
  try {
    for (const service of ['', 'rollcall.v1.MembershipService', 'rollcall.v1.OrganisationService'])
      expect(await health.check({ service })).toMatchObject({ status: ServingStatus.SERVING });
  } finally {
    health.close();
  }
  await refusal(server.index.getStatus({}));
  for (const page of ['livez', 'readyz', 'metrics'])
    expect((await fetch(`http://${server.httpAddress}/${page}`)).status).toBe(200);
  const [tables] = await database.db.sql`select count(*)::int as count from pg_tables where schemaname = 'public'`;
  expect(tables).toEqual({ count: 0 });
  const [backends] = await database.db.sql`
    select count(*)::int as count from pg_stat_activity where datname = current_database() and application_name = 'rollcall'`;
  expect(backends).toEqual({ count: 0 });
});
