import type { FlagsmithDatabase } from './flagsmith-database.js';
import { missingColumns } from './flagsmith-errors.js';

/** The columns that are there and may be read, by table: versions of Flagsmith differ, and so do grants. */
export type FlagsmithColumns = ReadonlyMap<string, ReadonlySet<string>>;

const READ_COLUMNS = `select named.name as table, array_to_string(array_agg(a.attname), ',') as columns
  from unnest(string_to_array($1::text, ',')) named(name)
  join pg_attribute a on a.attrelid = to_regclass(named.name) and a.attnum > 0 and not a.attisdropped
  where has_column_privilege(a.attrelid, a.attnum, 'select')
  group by named.name`;

/** Throws INVALID_DOCUMENT where columns of `required` are missing. */
export async function readColumns(
  database: FlagsmithDatabase,
  required: Readonly<Record<string, readonly string[]>>,
  signal: AbortSignal,
): Promise<FlagsmithColumns> {
  const statement = { text: READ_COLUMNS, parameters: [Object.keys(required).join(',')] };
  const rows = await database.ask<{ table: string; columns: string }>(() => statement, signal);
  const columns = new Map(rows.map((row) => [row.table, new Set(row.columns.split(','))]));
  for (const [table, names] of Object.entries(required)) {
    const missing = names.filter((name) => columns.get(table)?.has(name) !== true);
    if (missing.length > 0) throw missingColumns(table, missing);
  }
  return columns;
}

/** SQL: the column where it is there, else another expression. */
export function columnOr(
  columns: FlagsmithColumns,
  { table, alias, column }: { readonly table: string; readonly alias: string; readonly column: string },
  otherwise: string,
): string {
  return columns.get(table)?.has(column) === true ? `${alias}.${column}` : otherwise;
}

/** SQL: whether a row is not soft-deleted. */
export function isLive(columns: FlagsmithColumns, table: string, alias: string): string {
  return `${columnOr(columns, { table, alias, column: 'deleted_at' }, 'null')} is null`;
}
