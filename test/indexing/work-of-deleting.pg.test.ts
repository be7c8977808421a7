import { afterAll, beforeAll, expect, it } from 'vitest';
import { removeSegment } from '../../src/indexing/segment-writer.js';
import type { Environment } from '../../src/storage/environments.js';
import {
  buildAll,
  condition,
  createFixture,
  createIndex,
  definition,
  type Fixture,
  foldAll,
  putSegment,
  selectSegment,
} from '../helpers/fixture.js';
import { installWrittenRows, type WrittenRows } from '../helpers/written-rows.js';

let fixture: Fixture;
let written: WrittenRows;
beforeAll(async () => {
  fixture = await createFixture();
  written = await installWrittenRows(fixture.database);
});
afterAll(() => fixture.drop());

/** An environment of identities that are all in a segment, over as many chunks as `chunks`. */
async function environmentOver(chunks: number): Promise<Environment> {
  const environment = await fixture.environment();
  await fixture.database.sql`
    insert into identity (environment_id, id, identifier, traits)
    select ${environment.id}, ordinal, 'user-' || ordinal, '{"plan": "pro"}'
    from generate_series(0, ${chunks * 65_536 - 1}::bigint, 256) as ordinal`;
  await putSegment(fixture.database, environment, 'all', definition([condition('plan', 'EQUAL', 'pro')]));
  await fixture.database.sql`
    update atom set state = 'building', scanned_below = 0, chunks = 0, base_revision = 0
    where environment_id = ${environment.id}`;
  await buildAll(fixture.database, environment);
  await foldAll(fixture.database, environment);
  return environment;
}

const chunksOf = async ({ id }: Environment): Promise<number> =>
  (await fixture.database.sql`select from atom_chunk where environment_id = ${id} and atom_id <> 0`).length;

/** Which rows deleting the segment writes, by table, and how many members it had. */
async function deletion(environment: Environment): Promise<{ members: number; rows: Record<string, number> }> {
  const index = createIndex(fixture.database, environment);
  const { set } = await selectSegment(fixture.database, index, 'all');
  const members = set.size;
  await written.start();
  await removeSegment(fixture.database, { project: environment.project, key: 'all', etag: '' }, 'test');
  return { members, rows: await written.stop() };
}

it('deleting a segment writes as many rows however many members it has, and none of its bitmaps or identities', async () => {
  const [small, large] = [await environmentOver(1), await environmentOver(40)];
  expect([await chunksOf(small), await chunksOf(large)]).toEqual([1, 40]);
  const [few, many] = [await deletion(small), await deletion(large)];
  expect([few.members, many.members]).toEqual([256, 40 * 256]);
  expect(many.rows).toEqual(few.rows);
  expect(Object.keys(many.rows)).not.toContain('identity');
  expect(Object.keys(many.rows)).not.toContain('atom_chunk');
  expect(await chunksOf(large)).toBe(40);
  const gone = selectSegment(fixture.database, createIndex(fixture.database, large), 'all');
  await expect(gone).rejects.toMatchObject({ reason: 'SEGMENT_NOT_FOUND' });
});
