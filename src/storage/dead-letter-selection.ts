import type { Sql } from './database.js';
import { INT8_ARRAY } from './environments.js';
import type { Place } from './kafka-offsets.js';

/** Dead letters that have all of what is given; '' lets any through. */
export interface DeadLetterFilter {
  readonly environmentKey: string;
  readonly topic: string;
  /** An ErrorReason. */
  readonly reason: string;
}

/** Some dead letters by their ids, or all that a filter lets through. */
export type DeadLetterSelection =
  { readonly kind: 'ids'; readonly ids: readonly number[] } | ({ readonly kind: 'filter' } & DeadLetterFilter);

/** A dead letter, not read yet; `bytes` are those of its key and value. */
export interface SelectedDeadLetter extends Place {
  readonly id: number;
  readonly bytes: number;
}

/** A dead letter to show: keys and values may be cut, `valueBytes` is the whole length. */
export interface ShownDeadLetter {
  readonly id: number;
  readonly cluster: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly valueBytes: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly messageAt: Date;
  readonly reason: string;
  readonly explanation: string;
  readonly environmentKey: string;
  readonly identifier: string;
  readonly createdAt: Date;
}

/** The selected dead letters after `afterId`, by id, at most `limit`. */
export async function selectDeadLetters(
  sql: Sql,
  selection: DeadLetterSelection,
  { afterId, limit }: { readonly afterId: number; readonly limit: number },
): Promise<SelectedDeadLetter[]> {
  return sql<SelectedDeadLetter[]>`
    select id, cluster, topic, partition, coalesce(octet_length(message_key), 0) + coalesce(octet_length(message_value), 0) as bytes from dead_letter
    where id > ${afterId} and ${isSelected(sql, selection)} order by id limit ${limit}`;
}

/** Dead letters by id, with at most `maxBytes` of each key and value; those that are gone are left out. */
export async function showDeadLetters(sql: Sql, ids: readonly number[], maxBytes: number): Promise<ShownDeadLetter[]> {
  return sql<ShownDeadLetter[]>`
    select id, cluster, topic, partition, message_offset as "offset",
      substring(message_key from 1 for ${maxBytes}) as key, substring(message_value from 1 for ${maxBytes}) as value,
      coalesce(octet_length(message_value), 0) as "valueBytes", message_headers as headers, message_at as "messageAt",
      reason, explanation, environment_key as "environmentKey", identifier, created_at as "createdAt"
    from dead_letter where id = any(${sql.array([...ids], INT8_ARRAY)}) order by id`;
}

/** Removes the selected dead letters; how many. */
export async function dropDeadLetters(sql: Sql, selection: DeadLetterSelection): Promise<number> {
  const { count } = await sql`delete from dead_letter where ${isSelected(sql, selection)}`;
  return count;
}

/** How many dead letters there are, and when the newest was put aside. */
export async function summarizeDeadLetters(
  sql: Sql,
): Promise<{ readonly count: number; readonly newestAt: Date | null }> {
  const [row] = await sql<{ count: number; newestAt: Date | null }[]>`
    select count(*)::int as count, max(created_at) as "newestAt" from dead_letter`;
  return row ?? { count: 0, newestAt: null };
}

function isSelected(sql: Sql, selection: DeadLetterSelection) {
  if (selection.kind === 'ids') return sql`id = any(${sql.array([...selection.ids], INT8_ARRAY)})`;
  const { environmentKey, topic, reason } = selection;
  return sql`
    (${environmentKey} = '' or environment_key = ${environmentKey}) and (${topic} = '' or topic = ${topic})
    and (${reason} = '' or reason = ${reason})`;
}
