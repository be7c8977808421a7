import { strictEqual } from 'node:assert/strict';
import { z } from 'zod';
import { inTransaction } from '../../src/storage/database.js';
import { inOwnProcess } from '../measure/own-process.js';
import { median, timed } from '../measure/statistics.js';
import type { Figure } from '../report/figures.js';
import type { World } from '../world/world.js';
import type { BUILD_WORK } from './build-work.js';

const GOAL_PER_SECOND = 2_000_000;
const MOST_ROUNDS_OF_PEERS = 3;
const ROWS_OF_CURSOR = 10_000;

/** A new atom, and the same predicate over what SQL gives of the trait. */
interface Question extends Pick<z.infer<typeof BUILD_WORK>, 'property' | 'operator' | 'operand'> {
  readonly what: string;
  readonly sql: string;
  readonly isTrue: (text: string) => boolean;
  readonly hasGoal: boolean;
}

const QUESTIONS: readonly Question[] = [
  {
    what: 'text of 11 values',
    property: 'country',
    operator: 'EQUAL',
    operand: 'NL',
    sql: `traits->>'country' = 'NL'`,
    isTrue: (text) => text === 'NL',
    hasGoal: true,
  },
  {
    what: 'integer of 10,000 values',
    property: 'score',
    operator: 'GREATER_THAN',
    operand: '7777',
    sql: `(traits->>'score')::int > 7777`,
    isTrue: (text) => Number(text) > 7777,
    hasGoal: true,
  },
  {
    what: 'text of many values',
    property: 'email',
    operator: 'CONTAINS',
    operand: 'outlook',
    sql: `position('outlook' in traits->>'email') > 0`,
    isTrue: (text) => text.includes('outlook'),
    hasGoal: false,
  },
];

/** Building a new atom from stored identities, by how many values its trait has; against counting the same by SQL, and reading the trait by a cursor. */
export async function buildScenario(world: World, rounds: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const question of QUESTIONS) figures.push(...(await measure(world, question, rounds)));
  return figures;
}

async function measure(world: World, question: Question, rounds: number): Promise<Figure[]> {
  const { what, property, operator, operand, hasGoal } = question;
  const countedMs: number[] = [];
  const readMs: number[] = [];
  const expected = await countBySql(world, question);
  for (let round = 0; round < Math.min(rounds, MOST_ROUNDS_OF_PEERS); round++) {
    countedMs.push(await timed(() => countBySql(world, question)));
    readMs.push(
      await timed(async () => {
        strictEqual(await countByCursor(world, question), expected);
      }),
    );
  }
  // The first build warms up the process, as those of the service are.
  const asked = { url: world.url, property, operator, operand, expected, rounds: rounds + 1 };
  const { cpuSeconds, peakBytes, result } = await inOwnProcess(new URL('./build-work.js', import.meta.url), asked);
  const figure = (name: string, times: readonly number[]): Figure => ({
    scenario: 'build',
    what: name,
    value: (world.identities / median(times)) * 1000,
    unit: 'identities/s',
  });
  const built = figure(what, z.array(z.number()).parse(result).slice(1));
  const goal = hasGoal
    ? { goal: `≥ ${GOAL_PER_SECOND.toLocaleString('en')}`, isReached: built.value >= GOAL_PER_SECOND }
    : {};
  return [
    { ...built, ...goal, cpuSeconds: cpuSeconds / (rounds + 1), peakBytes },
    figure(`${what}: SQL count alone`, countedMs),
    figure(`${what}: a cursor through the driver`, readMs),
  ];
}

async function countBySql({ database, environment }: World, { sql }: Question): Promise<number> {
  const [row] = await database.sql<{ count: number }[]>`
    select count(*)::int as count from identity
    where environment_id = ${environment.id} and deleted_revision is null and ${database.sql.unsafe(sql)}`;
  return row?.count ?? 0;
}

async function countByCursor({ database, environment }: World, { property, isTrue }: Question): Promise<number> {
  let count = 0;
  await inTransaction(database, { isolation: 'repeatable read', readOnly: true }, async (tx) => {
    const batches = tx<{ id: number; value: string | null }[]>`
      select id, traits->>${property} as value from identity where environment_id = ${environment.id} and deleted_revision is null`;
    for await (const rows of batches.cursor(ROWS_OF_CURSOR))
      for (const { value } of rows) if (value !== null && isTrue(value)) count++;
  });
  return count;
}
