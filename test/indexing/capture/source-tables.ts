/** A trait of the source: the columns of its row. */
export interface SourceTrait {
  readonly id: number;
  readonly identity_id: number;
  readonly trait_key: string;
  readonly value_type: 'int' | 'unicode' | 'bool' | 'float';
  readonly boolean_value: boolean | null;
  readonly integer_value: number | null;
  readonly string_value: string | null;
  readonly float_value: number | null;
}

export interface SourceIdentity {
  readonly id: number;
  readonly identifier: string;
  readonly environment_id: number;
  readonly created_date: string;
  readonly system_traits: Readonly<Record<string, string | number | boolean | null>> | null;
}

export interface SourceEnvironment {
  readonly id: number;
  readonly api_key: string;
  readonly name: string;
  readonly project_id: number;
}

/** A message as the connector puts it on the topic. */
export interface SourceEvent {
  readonly key: string;
  readonly value: string;
}

type Row = SourceTrait | SourceIdentity | SourceEnvironment;
export type Table = 'environments_environment' | 'environments_identity' | 'environments_trait';

/** Debezium's message for what happened to a row. `isWrapped` puts the schema beside the payload, as its converter does by default. */
export function eventOf(
  table: Table,
  op: 'c' | 'r' | 'u' | 'd',
  rows: { readonly before?: Row; readonly after?: Row },
  isWrapped = false,
): SourceEvent {
  const row = rows.after ?? rows.before;
  const key = keyOf(row);
  const envelope = {
    before: columnsOf(rows.before),
    after: columnsOf(rows.after),
    source: { version: '3.0.0.Final', connector: 'postgresql', db: 'flagsmith', schema: 'public', table, lsn: 1 },
    op,
    ts_ms: 1,
  };
  return {
    key: JSON.stringify(isWrapped ? { schema: { type: 'struct' }, payload: key } : key),
    value: JSON.stringify(isWrapped ? { schema: { type: 'struct' }, payload: envelope } : envelope),
  };
}

function keyOf(row: Row | undefined): object {
  if (row === undefined) return {};
  return 'identity_id' in row ? { identity_id: row.identity_id } : { id: row.id };
}

/** A jsonb column comes as text. */
function columnsOf(row: Row | undefined): object | null {
  if (row === undefined) return null;
  if (!('system_traits' in row)) return row;
  return { ...row, system_traits: row.system_traits === null ? null : JSON.stringify(row.system_traits) };
}
