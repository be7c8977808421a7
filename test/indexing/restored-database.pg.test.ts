import { afterAll, beforeAll, expect, it } from 'vitest';
import { verify } from '../../src/indexing/verify.js';
import type { Environment } from '../../src/storage/environments.js';
import {
  applyTo,
  buildAll,
  condition,
  createApplier,
  createFixture,
  definition,
  type Fixture,
  membersOf,
  putSegment,
  setTraits,
  upsert,
} from '../helpers/fixture.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

const isOn = (plan: string) => definition([condition('plan', 'EQUAL', plan)]);

async function headOf({ id }: Environment) {
  const [head] = await fixture.database.sql<{ revision: number; catalog: number; atom: number }[]>`
    select revision, catalog_revision as catalog, next_atom_id as atom from environment_head where environment_id = ${id}`;
  if (head === undefined) throw new Error('there is no head');
  return head;
}

/** As a backup of that moment would leave the environment, but for its segments and identities. */
async function restore({ id }: Environment, head: Awaited<ReturnType<typeof headOf>>): Promise<void> {
  const { sql } = fixture.database;
  await sql`delete from atom_log where environment_id = ${id} and revision > ${head.revision}`;
  await sql`delete from atom where environment_id = ${id} and id >= ${head.atom}`;
  await sql`delete from atom_chunk where environment_id = ${id} and atom_id >= ${head.atom}`;
  await sql`
    update environment_head set revision = ${head.revision}, catalog_revision = ${head.catalog}, next_atom_id = ${head.atom}
    where environment_id = ${id}`;
}

it.each([
  ['is behind', 0],
  ['has the same catalog revision with another atom of the same id', 1],
])('a writer that goes on in a restored database finds the flips of its atoms, where it %s', async (_, written) => {
  const environment = await fixture.environment();
  const applier = createApplier(fixture.database);
  await applyTo(applier, environment, upsert('a', { plan: '"free"' }));
  const before = await headOf(environment);
  await putSegment(fixture.database, environment, 'first', isOn('pro'));
  await buildAll(fixture.database, environment);
  await applyTo(applier, environment, setTraits('a', { plan: '"basic"' }));
  await restore(environment, before);
  if (written > 0) {
    await fixture.database.sql`delete from segment where project = ${environment.project}`;
    await putSegment(fixture.database, environment, 'second', isOn('scale'));
    await buildAll(fixture.database, environment);
  }
  await applyTo(applier, environment, setTraits('a', { plan: '"scale"' }));
  await applyTo(applier, environment, setTraits('a', { plan: '"pro"' }), upsert('b', { plan: '"scale"' }));
  const { signal } = new AbortController();
  const { differences } = await verify(fixture.database, environment, { sampleShare: 1, maxRanges: 9, signal });
  expect(differences).toEqual([]);
  const [log] = await fixture.database.sql<{ atoms: number }[]>`
    select max(length(payload)) as atoms from atom_log where environment_id = ${environment.id} and revision > ${before.revision}`;
  expect(log?.atoms).toBeGreaterThan(0);
  if (written > 0) expect(await membersOf(fixture.database, environment, 'second')).toEqual(['b']);
});
