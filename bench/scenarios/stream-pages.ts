import { OrdinalSet } from '../../src/core/bitmap.js';
import { readPages } from '../../src/query/member-pages.js';
import { readMemberPage } from '../../src/storage/member-pages.js';
import { SCORE, SCORES } from '../world/segments.js';
import type { World } from '../world/world.js';

const PAGE_MEMBERS = 10_000;
const ROWS = 10_000;
const signal = new AbortController().signal;

/** The statement that asks for the members of a share of the identities, as `world/segments.ts` defines the shares. */
export function membersQuery({ environment }: World, share: number, columns: string): string {
  const isMember = share === 1 ? 'true' : `(traits->>'${SCORE}')::int < ${share * SCORES}`;
  return `select ${columns} from identity where environment_id = ${environment.id} and deleted_revision is null and ${isMember}`;
}

/** The members as the stored identities say. */
export async function readMembers(world: World, share: number): Promise<OrdinalSet> {
  const set = new OrdinalSet();
  const rows = world.database.sql.unsafe<{ id: number }[]>(membersQuery(world, share, 'id'));
  for await (const batch of rows.cursor(ROWS)) set.addAll(batch.map(({ id }) => id));
  return set;
}

/** The queries of a stream with nothing around them, one after the other; how many members they gave. */
export async function readOneByOne({ database, environment }: World, set: OrdinalSet, limit: number): Promise<number> {
  let members = 0;
  for (let ordinals = set.page(-1, Math.min(PAGE_MEMBERS, limit)); ordinals.length > 0;) {
    members += (await readMemberPage(database, environment.id, ordinals, signal)).ordinals.length;
    ordinals = set.page(ordinals.at(-1) ?? 0, Math.min(PAGE_MEMBERS, limit - members));
  }
  return members;
}

/** The same as a stream asks them: ahead. */
export async function readAhead({ database, environment }: World, set: OrdinalSet, limit: number): Promise<number> {
  let members = 0;
  const request = { set, revision: 0, after: -1, limit, includeTraits: false, signal };
  for await (const page of readPages(database, environment.id, request)) members += page.ordinals.length;
  return members;
}
