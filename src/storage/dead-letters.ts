import type { Sql } from './database.js';
import { INT8_ARRAY } from './environments.js';

/** A message that could not be applied, as it came. */
export interface NewDeadLetter {
  readonly cluster: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  /** The broker's time of the message, in Unix milliseconds. */
  readonly timestampMs: number;
  /** An ErrorReason. */
  readonly reason: string;
  readonly explanation: string;
  /** The identity it was about; both '' where that cannot be told. */
  readonly environmentKey: string;
  readonly identifier: string;
}

/** A dead letter as it is kept. */
export interface DeadLetter extends NewDeadLetter {
  readonly id: number;
  readonly createdAt: Date;
}

/** Rows of one insert: a statement has at most 65,535 parameters. */
const ROWS_PER_INSERT = 500;
const MAX_EXPLANATION_LENGTH = 2_000;

const columns = (sql: Sql) => sql`
  id, cluster, topic, partition, message_offset as "offset", message_key as key, message_value as value, message_headers as headers,
  extract(epoch from message_at)::float8 * 1000 as "timestampMs", reason, explanation, environment_key as "environmentKey", identifier,
  created_at as "createdAt"`;

/** Keeps messages; one that is kept already stays as it is. */
export async function insertDeadLetters(tx: Sql, letters: readonly NewDeadLetter[]): Promise<void> {
  const rows = letters.map(rowOf);
  for (let from = 0; from < rows.length; from += ROWS_PER_INSERT) {
    await tx`insert into dead_letter ${tx(rows.slice(from, from + ROWS_PER_INSERT))} on conflict do nothing`;
  }
}

/** The dead letters with these ids, by id; those that are gone are left out. */
export async function getDeadLetters(sql: Sql, ids: readonly number[]): Promise<DeadLetter[]> {
  return sql<DeadLetter[]>`
    select ${columns(sql)} from dead_letter where id = any(${sql.array([...ids], INT8_ARRAY)}) order by id`;
}

/** Removes at most `limit` dead letters older than the retention, the oldest first; how many. */
export async function expireDeadLetters(sql: Sql, retentionMs: number, limit: number): Promise<number> {
  const { count } = await sql`
    delete from dead_letter where id in (
      select id from dead_letter where created_at < now() - ${retentionMs} * interval '1 millisecond' order by created_at limit ${limit})`;
  return count;
}

function rowOf(letter: NewDeadLetter) {
  return {
    cluster: letter.cluster,
    topic: letter.topic,
    partition: letter.partition,
    message_offset: letter.offset,
    message_key: letter.key,
    message_value: letter.value,
    message_headers: Object.fromEntries(
      Object.entries(letter.headers).map(([name, value]) => [storable(name), storable(value)]),
    ),
    message_at: storableTime(letter.timestampMs),
    reason: letter.reason,
    explanation: storable(letter.explanation).slice(0, MAX_EXPLANATION_LENGTH),
    environment_key: storable(letter.environmentKey),
    identifier: storable(letter.identifier),
  };
}

/** Postgres stores neither NUL nor half of a surrogate pair. */
function storable(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed();
}

/** A producer may have set any time. */
function storableTime(timestampMs: number): Date {
  const isStorable = timestampMs >= 0 && timestampMs < Date.UTC(10_000, 0);
  return new Date(isStorable ? timestampMs : 0);
}
