import type { Sql } from './database.js';

/** The ordinals of one value within a scanned range: their distances from its start, unordered. */
export interface ValueGroup {
  readonly value: string;
  readonly offsets: Uint32Array;
}

/** One scanned identity. `traits` is '{}' where the scan does not need them. */
export interface ScannedIdentity {
  readonly id: number;
  readonly identifier: string;
  readonly traits: string;
}

/** What is evaluated in one go: for so long nothing else of the process is answered. */
const ROWS_PER_FETCH = 2_000;

/** The smallest live ordinal that is at least `from`; undefined where there is none. */
export async function nextLiveOrdinal(sql: Sql, environmentId: number, from: number): Promise<number | undefined> {
  const [row] = await sql<{ id: number | null }[]>`
    select min(id) as id from identity where environment_id = ${environmentId} and id >= ${from} and deleted_revision is null`;
  return row?.id ?? undefined;
}

/** The largest ordinal, a tombstone's too; 0 where there is none. */
export async function highestOrdinal(sql: Sql, environmentId: number): Promise<number> {
  const [row] = await sql<
    { id: number | null }[]
  >`select max(id) as id from identity where environment_id = ${environmentId}`;
  return row?.id ?? 0;
}

/** The live ordinals of [from, until) that have the trait, by the JSON text of its value. `until - from` is at most 2^31. */
export async function groupByTrait(
  sql: Sql,
  environmentId: number,
  traitKey: string,
  from: number,
  until: number,
): Promise<ValueGroup[]> {
  return readGroups(
    await sql`
      select (traits -> ${traitKey})::text, string_agg(int4send((id - ${from})::int), '')
      from identity
      where environment_id = ${environmentId} and id >= ${from} and id < ${until} and deleted_revision is null and traits ? ${traitKey}
      group by 1`.raw(),
  );
}

/** The live ordinals of [from, until), as one group of an empty value. */
export async function groupAll(sql: Sql, environmentId: number, from: number, until: number): Promise<ValueGroup[]> {
  return readGroups(
    await sql`
      select '', string_agg(int4send((id - ${from})::int), '')
      from identity where environment_id = ${environmentId} and id >= ${from} and id < ${until} and deleted_revision is null
      having count(*) > 0`.raw(),
  );
}

function readGroups(rows: readonly (Buffer | null)[][]): ValueGroup[] {
  return rows.map(([value, packed]) => {
    const bytes = Buffer.from(packed?.toString('latin1', 2) ?? '', 'hex').swap32();
    const offsets = new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    return { value: value?.toString('utf8') ?? 'null', offsets };
  });
}

/** The live identities of [from, until), by id, in batches of bounded size. */
export async function* scanIdentities(
  sql: Sql,
  environmentId: number,
  from: number,
  until: number,
  needsTraits: boolean,
): AsyncGenerator<ScannedIdentity[]> {
  const traits = needsTraits ? sql`traits::text` : sql`'{}'`;
  yield* sql<ScannedIdentity[]>`
    select id, coalesce(long_identifier, identifier) as identifier, ${traits} as traits
    from identity where environment_id = ${environmentId} and id >= ${from} and id < ${until} and deleted_revision is null order by id
  `.cursor(ROWS_PER_FETCH);
}
