import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../helpers/postgres.js';
import { refusal, segmentSelector, startTestRollcall, type TestRollcall } from '../../helpers/rollcall.js';

/** A Flagsmith environment whose segment `pro` has the flag on for identities with the trait plan = pro. */
const DOCUMENT = {
  api_key: 'ser.key',
  id: 1,
  name: 'Production',
  updated_at: '2026-01-01T00:00:00Z',
  identity_overrides: [],
  feature_states: [state(false)],
  project: {
    id: 1,
    name: 'Rollcall',
    hide_disabled_flags: false,
    organisation: { id: 1, name: 'Us', feature_analytics: false, stop_serving_flags: false, persist_trait_data: true },
    segments: [
      {
        id: 1,
        name: 'pro',
        rules: [
          {
            type: 'ALL',
            rules: [{ type: 'ANY', rules: [], conditions: [{ operator: 'EQUAL', property_: 'plan', value: 'pro' }] }],
            conditions: [],
          },
        ],
        feature_states: [state(true)],
      },
    ],
  },
};

function state(enabled: boolean) {
  const feature = { id: 1, name: 'segment_membership_index', type: 'STANDARD' };
  return {
    ...{ enabled, feature, django_id: enabled ? 2 : 1, featurestate_uuid: enabled ? 'b' : 'a' },
    feature_state_value: null,
    multivariate_feature_state_values: [],
    ...(enabled ? { feature_segment: { priority: 1 } } : {}),
  };
}

let database: TestDatabase;
let api: Server;
let server: TestRollcall;

beforeEach(async () => {
  database = await createTestDatabase();
  api = createServer((request, response) => {
    const isKnown =
      request.headers['x-environment-key'] === 'ser.key' && request.url?.includes('environment-document') === true;
    response
      .writeHead(isKnown ? 200 : 403, { 'content-type': 'application/json' })
      .end(JSON.stringify(isKnown ? DOCUMENT : {}));
  });
  await new Promise<void>((listening) => api.listen(0, '127.0.0.1', listening));
});
afterEach(async () => {
  await server.stop();
  api.closeAllConnections();
  api.close();
  await database.drop();
});

it('the flag comes from a Flagsmith environment, whose segments see the attributes as traits', async () => {
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}/api/v1/`;
  server = await startTestRollcall(database.url, {
    ...{ flagProvider: 'flagsmith', flagsmithFlagsKey: 'ser.key', flagsmithFlagsUrl: url },
    gateIntervalMs: '200',
  });
  await server.organisations.update({ key: 'acme', attributes: { plan: 'pro' } });
  await server.organisations.update({ key: 'other', attributes: { plan: 'free' } });
  for (const key of ['acme', 'other']) await server.environments.create({ environment: { key, organisation: key } });
  await server.segments.create({ segment: { key: 'all', rules: [] } });
  const count = (environment: string) => server.membership.count({ selector: segmentSelector('all', environment) });
  expect((await count('acme')).count).toBe(0n);
  expect(await refusal(count('other'))).toMatchObject({ reason: 'INDEX_OFF', metadata: { gate: 'flag' } });
});
