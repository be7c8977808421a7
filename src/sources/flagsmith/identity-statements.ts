import { MAX_TRAITS_BYTES } from '../../core/changes.js';
import type { Statement } from './flagsmith-connection.js';
import { columnOr, type FlagsmithColumns } from './flagsmith-columns.js';

export const IDENTITY_TABLE = 'environments_identity';
const TRAIT_TABLE = 'environments_trait';

/** What a page needs; `system_traits` is younger than the rest. */
export const IDENTITY_COLUMNS = {
  [IDENTITY_TABLE]: ['id', 'identifier', 'environment_id'],
  [TRAIT_TABLE]: [
    'id',
    'identity_id',
    'trait_key',
    'value_type',
    'integer_value',
    'string_value',
    'boolean_value',
    'float_value',
  ],
};

/** Which rows a page is made of: at most `limit` of those with `after < id <= end`, and no more once `maxBytes` are reached. */
export interface PageRange {
  readonly environmentId: number;
  readonly after: number;
  readonly end: number;
  readonly limit: number;
  readonly maxBytes: number;
}

/** The answer: one row for the whole page, of which the driver has much less to do than of a row for each trait. */
export interface PageRow {
  /** A line for each identity, by id; null where there is none. See `decode-page.ts`. */
  readonly lines: string | null;
  readonly last_id: number | string | null;
  /** How many lines there are, what they take, and how many there would be without `maxBytes`. */
  readonly taken: number;
  readonly bytes: number;
  readonly found: number;
  /** The first row of any environment after `end`; null where the table ends. */
  readonly next_id: number | string | null;
}

/**
 * Texts go as JSON, so neither tab nor line feed is in them, and a float is told from an integer by a mark before it. The range of ids bounds what Postgres has to look
 * through, however few rows of it are the environment's, and whichever of its indexes it takes.
 */
export function pageStatement(columns: FlagsmithColumns, range: PageRange): Statement {
  const { environmentId, after, end, limit, maxBytes } = range;
  const systemTraits = columnOr(columns, { table: IDENTITY_TABLE, alias: 'i', column: 'system_traits' }, 'null');
  const text = `with page as materialized (
    select i.id, i.identifier, ${systemTraits}::jsonb::text as system_traits from ${IDENTITY_TABLE} i
    where i.environment_id = $1::bigint and i.id > $2::bigint and i.id <= $3::bigint order by i.id limit $4::int
  ), line as (
    select page.id, page.id || E'\\t' || coalesce(to_json(page.identifier)::text, 'null') || E'\\t' ||
      coalesce(page.system_traits, '') ||
      case when octet_length(trait.pairs) > ${MAX_TRAITS_BYTES} then E'\\t' else coalesce(trait.pairs, '') end as text
    from page left join lateral (
      select string_agg(E'\\t' || to_json(t.trait_key)::text || E'\\t' || ${TRAIT_VALUE}, '' order by t.id) as pairs
      from ${TRAIT_TABLE} t where t.identity_id = page.id
    ) trait on true
  ), measured as (
    select id, text, sum(octet_length(text)) over (order by id) - octet_length(text) as bytes_before from line
  )
  select string_agg(text, E'\\n' order by id) as lines, max(id) as last_id, count(*)::int as taken,
    coalesce(sum(octet_length(text)), 0)::int as bytes,
    (select count(*)::int from page) as found,
    (select min(n.id) from ${IDENTITY_TABLE} n where n.id > $3::bigint) as next_id
  from measured where bytes_before < $5::bigint`;
  return { text, parameters: [environmentId, after, end, limit, maxBytes] };
}

/** As Flagsmith reads it: the column that the type names; a null there, as a null type, is no value. */
const TRAIT_VALUE = `coalesce(case t.value_type
  when 'unicode' then to_json(t.string_value)::text
  when 'int' then t.integer_value::text
  when 'bool' then t.boolean_value::text
  when 'float' then '~' || t.float_value::text
  when '' then null
  else '?' || to_json(t.value_type)::text end, 'null')`;

const IS_UNIQUE = `select exists (
  select from pg_index x where x.indrelid = to_regclass('${IDENTITY_TABLE}') and x.indisunique and x.indisvalid
    and x.indpred is null and (
      select array_agg(a.attname::text order by a.attname::text) from pg_attribute a
      where a.attrelid = x.indrelid and a.attnum = any(x.indkey)
    ) = array['environment_id', 'identifier']
) as is_unique`;

/** Whether the database itself keeps identifiers unique in their environment: `is_unique`. */
export const uniquenessStatement: Statement = { text: IS_UNIQUE, parameters: [] };

/** The rows whose identifier a later row of the environment has, too. */
export function supersededStatement(environmentId: number, limit: number): Statement {
  const text = `select id from (
    select i.id, lead(i.id) over (partition by i.identifier order by i.id) as later_id
    from ${IDENTITY_TABLE} i where i.environment_id = $1::bigint
  ) numbered where later_id is not null limit $2::int`;
  return { text, parameters: [environmentId, limit] };
}
