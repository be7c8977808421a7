import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listFlagsmithEnvironments } from '../../src/sources/flagsmith/flagsmith-tenancy.js';
import { createFlagsmith, type Flagsmith } from '../helpers/flagsmith.js';

let flagsmith: Flagsmith;
beforeEach(async () => {
  flagsmith = await createFlagsmith();
});
afterEach(() => flagsmith.drop());

const list = () => listFlagsmithEnvironments(flagsmith.open());
const modes = async () => (await list()).environments.map(({ identityKeyMode }) => identityKeyMode);

describe('the tenancy of a Flagsmith database', () => {
  it('is its organisations with their attributes, its projects and its environments', async () => {
    await flagsmith.sql`update organisations_organisation set force_2fa = true, webhook_notification_email = 'a@b.c'`;
    await flagsmith.sql`insert into organisations_organisation (id, name) values (7, 'Without projects')`;
    const { organisations, projects, environments } = await list();
    expect(organisations.map(({ id, name }) => [id, name])).toEqual([
      [1, 'Acme'],
      [7, 'Without projects'],
    ]);
    expect(organisations[0]?.attributes).toMatchObject({ force_2fa: true, persist_trait_data: true });
    expect(Object.keys(organisations[0]?.attributes ?? {})).not.toContain('webhook_notification_email');
    expect(projects).toEqual([{ id: 1, name: 'Shop', organisationId: 1 }]);
    expect(environments).toHaveLength(3);
    expect(environments[1]).toEqual({
      id: 2,
      name: 'Environment 2',
      apiKey: 'env-2',
      projectId: 1,
      projectName: 'Shop',
      organisationId: 1,
      organisationName: 'Acme',
      identityKeyMode: 'composite',
    });
  });

  it('leaves out what was deleted, with all below it', async () => {
    await flagsmith.sql`update environments_environment set deleted_at = now() where id = 2`;
    await flagsmith.sql`insert into projects_project (id, name, organisation_id, deleted_at) values (2, 'Gone', 1, now())`;
    await flagsmith.sql`insert into environments_environment (id, name, project_id, api_key) values (9, 'Gone', 2, 'gone')`;
    const { projects, environments } = await list();
    expect(projects.map(({ id }) => id)).toEqual([1]);
    expect(environments.map(({ id }) => id)).toEqual([1, 3]);
    await flagsmith.sql`update organisations_organisation set deleted_at = now()`;
    expect(await list()).toEqual({ organisations: [], projects: [], environments: [] });
  });

  it('says what identity.key is, under either name of the column and without it', async () => {
    await flagsmith.sql`update environments_environment set use_mv_v2_evaluation = false where id = 2`;
    expect(await modes()).toEqual(['composite', 'id', 'composite']);
    await flagsmith.sql`alter table environments_environment rename use_mv_v2_evaluation to use_identity_composite_key_for_hashing`;
    expect(await modes()).toEqual(['composite', 'id', 'composite']);
    await flagsmith.sql`alter table environments_environment drop column use_identity_composite_key_for_hashing`;
    expect(await modes()).toEqual(['id', 'id', 'id']);
  });

  it('is read from a schema without soft deletion', async () => {
    for (const table of ['organisations_organisation', 'projects_project', 'environments_environment'])
      await flagsmith.sql.unsafe(`alter table ${table} drop column deleted_at`);
    expect((await list()).environments).toHaveLength(3);
  });

  it('is not read from another database', async () => {
    await flagsmith.sql`drop table projects_project cascade`;
    await expect(list()).rejects.toMatchObject({
      reason: 'INVALID_DOCUMENT',
      metadata: { table: 'projects_project' },
    });
  });
});
