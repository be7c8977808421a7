import type { Database } from '../../src/storage/database.js';

interface Entry {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/**
 * What is wrong with the ledger that a trigger keeps of every move of an offset that was committed: in each partition they must follow one another without a
 * gap and without a step back (I7).
 */
export async function checkLedger({ sql }: Database, topic: string): Promise<string[]> {
  const entries = await sql<Entry[]>`
    select partition, from_offset as "from", to_offset as "to" from chaos_ledger where topic = ${topic} order by id`;
  const problems: string[] = [];
  const reached = new Map<number, number>();
  for (const { partition, from, to } of entries) {
    const before = reached.get(partition) ?? 0;
    if (from !== before || to < from)
      problems.push(`partition ${partition}: an offset moved from ${from} to ${to} when ${before} was reached`);
    reached.set(partition, to);
  }
  return problems;
}
