import { selectDeadLetters } from '../../src/storage/dead-letter-selection.js';
import { type DeadLetter, getDeadLetters } from '../../src/storage/dead-letters.js';
import type { Sql } from '../../src/storage/database.js';

const ALL = { kind: 'filter', environmentKey: '', topic: '', reason: '' } as const;

/** Every dead letter there is, by id. */
export async function readDeadLetters(sql: Sql): Promise<DeadLetter[]> {
  const selected = await selectDeadLetters(sql, ALL, { afterId: 0, limit: 1_000 });
  return getDeadLetters(
    sql,
    selected.map(({ id }) => id),
  );
}
