import { referencesOf, type SegmentDefinition } from '../core/segments.js';
import type { Sql } from './database.js';
import { TEXT_ARRAY } from './environments.js';

/** A segment of a project, with its newest definition. */
export interface StoredSegment {
  readonly project: string;
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly version: number;
  readonly etag: string;
  readonly definition: SegmentDefinition;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** One definition of a segment that an environment may be serving. */
export interface SegmentVersion {
  readonly key: string;
  readonly version: number;
  readonly etag: string;
  readonly definition: SegmentDefinition;
}

const columns = (sql: Sql) => sql`
  segment.project, segment.key, name, description, segment.version, etag, definition, created_at as "createdAt", updated_at as "updatedAt"`;
const newest = (sql: Sql) => sql`
  segment join segment_version on segment_version.project = segment.project and segment_version.key = segment.key
    and segment_version.version = segment.version`;

/** Keeps other writers of a project's segments and lists out until the transaction ends. Taken before any head. */
export async function lockProject(sql: Sql, project: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`rollcall.project:${project}`}, 0))`;
}

export async function findSegment(sql: Sql, project: string, key: string): Promise<StoredSegment | undefined> {
  const [row] = await sql<
    StoredSegment[]
  >`select ${columns(sql)} from ${newest(sql)} where segment.project = ${project} and segment.key = ${key}`;
  return row;
}

/** Segments of a project by key, after `afterKey`, at most `limit`; only the children of `parent` unless it is ''. */
export async function listSegments(
  sql: Sql,
  project: string,
  parent: string,
  afterKey: string,
  limit: number,
): Promise<StoredSegment[]> {
  const isChild = parent === '' ? sql`` : sql`and definition ->> 'parent' = ${parent}`;
  return sql<StoredSegment[]>`
    select ${columns(sql)} from ${newest(sql)} where segment.project = ${project} and segment.key > ${afterKey} ${isChild}
    order by segment.key limit ${limit}`;
}

/** Every segment of a project, by key. */
export async function readSegments(sql: Sql, project: string): Promise<StoredSegment[]> {
  return sql<
    StoredSegment[]
  >`select ${columns(sql)} from ${newest(sql)} where segment.project = ${project} order by segment.key`;
}

/** Every definition of a project that may be served, by key, the newest first. */
export async function readSegmentVersions(sql: Sql, project: string): Promise<SegmentVersion[]> {
  return sql<SegmentVersion[]>`
    select key, version, etag, definition from segment_version where project = ${project} order by key, version desc`;
}

/** Which definitions there are, in the order of `readSegmentVersions`. */
export async function readVersionNumbers(
  sql: Sql,
  project: string,
): Promise<Pick<SegmentVersion, 'key' | 'version'>[]> {
  return sql<Pick<SegmentVersion, 'key' | 'version'>[]>`
    select key, version from segment_version where project = ${project} order by key, version desc`;
}

/** How many definitions there are. */
export async function countVersions(sql: Sql, project: string): Promise<number> {
  const [row] = await sql<
    { count: number }[]
  >`select count(*)::int as count from segment_version where project = ${project}`;
  return row?.count ?? 0;
}

/** The definitions of these segments and of all that they refer to, however indirectly, by key, the newest first; those that do not exist are left out. */
export async function readReachable(sql: Sql, project: string, keys: Iterable<string>): Promise<SegmentVersion[]> {
  return sql<SegmentVersion[]>`
    with recursive reachable (key) as (
      select unnest(${sql.array([...keys], TEXT_ARRAY)}::text[]) collate "C"
      union
      select referred from reachable join segment_reference on segment_reference.project = ${project} and segment_reference.key = reachable.key
    )
    select key, version, etag, definition from segment_version
    where project = ${project} and key in (select key from reachable) order by key, version desc`;
}

/** The keys of other segments that refer to one in any of their definitions, in order, at most `limit`. */
export async function referrersOf(sql: Sql, project: string, key: string, limit: number): Promise<string[]> {
  const rows = await sql<{ key: string }[]>`
    select distinct key from segment_reference where project = ${project} and referred = ${key} and key <> ${key} order by key limit ${limit}`;
  return rows.map((row) => row.key);
}

/** Writes a segment's next version; earlier ones stay until `deleteSegmentVersions`. */
export async function writeSegment(
  sql: Sql,
  segment: Omit<StoredSegment, 'createdAt' | 'updatedAt'>,
): Promise<StoredSegment> {
  const { project, key, name, description, version, etag, definition } = segment;
  const [row] = await sql<{ createdAt: Date; updatedAt: Date }[]>`
    insert into segment (project, key, name, description, version) values (${project}, ${key}, ${name}, ${description}, ${version})
    on conflict (project, key) do update set name = excluded.name, description = excluded.description, version = excluded.version, updated_at = now()
    returning created_at as "createdAt", updated_at as "updatedAt"`;
  await sql`
    insert into segment_version (project, key, version, etag, definition)
    values (${project}, ${key}, ${version}, ${etag}, ${JSON.stringify(definition)}::text::jsonb)`;
  const referred = definition.disabledReason === undefined ? [...referencesOf(definition)] : [];
  if (referred.length > 0)
    await sql`
      insert into segment_reference (project, key, version, referred)
      select ${project}, ${key}, ${version}, unnest(${sql.array(referred, TEXT_ARRAY)}::text[])`;
  return { ...segment, createdAt: row?.createdAt ?? new Date(), updatedAt: row?.updatedAt ?? new Date() };
}

/** Removes the definitions of a segment below `version`, which no environment serves any more. */
export async function deleteSegmentVersions(sql: Sql, project: string, key: string, version: number): Promise<void> {
  await sql`delete from segment_version where project = ${project} and key = ${key} and version < ${version}`;
}

/** Removes a segment with all its definitions; false where there is none. */
export async function deleteSegment(sql: Sql, project: string, key: string): Promise<boolean> {
  const { count } = await sql`delete from segment where project = ${project} and key = ${key}`;
  return count > 0;
}

/** The projects in which some segment has more than its newest definition. */
export async function projectsWithEarlierVersions(sql: Sql): Promise<string[]> {
  const rows = await sql<{ project: string }[]>`
    select distinct segment.project from segment join segment_version on segment_version.project = segment.project and segment_version.key = segment.key
    where segment_version.version < segment.version`;
  return rows.map(({ project }) => project);
}
