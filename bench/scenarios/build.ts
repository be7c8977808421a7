import { strictEqual } from 'node:assert/strict';
import { atomKey, type AtomDefinition } from '../../src/core/atoms.js';
import { buildAtom } from '../../src/indexing/build.js';
import { dropAtoms, registerAtoms } from '../../src/indexing/catalog-writer.js';
import { cardinalities } from '../../src/storage/chunks.js';
import { readAtoms } from '../../src/storage/atoms.js';
import type { Figure } from '../report/figures.js';
import { BUILD } from '../world/load.js';
import { median, timed } from '../measure/statistics.js';
import type { World } from '../world/world.js';

const GOAL_PER_SECOND = 1_500_000;

/** A new atom, and the same predicate in SQL. */
interface Question {
  readonly what: string;
  readonly property: string;
  readonly operator: AtomDefinition['operator'];
  readonly operand: string;
  readonly sql: string;
  readonly hasGoal: boolean;
}

const QUESTIONS: readonly Question[] = [
  {
    what: 'text of 11 values',
    property: 'country',
    operator: 'EQUAL',
    operand: 'NL',
    sql: `traits->>'country' = 'NL'`,
    hasGoal: true,
  },
  {
    what: 'integer of 10,000 values',
    property: 'score',
    operator: 'GREATER_THAN',
    operand: '7777',
    sql: `(traits->>'score')::int > 7777`,
    hasGoal: true,
  },
  {
    what: 'text of many values',
    property: 'email',
    operator: 'CONTAINS',
    operand: 'outlook',
    sql: `position('outlook' in traits->>'email') > 0`,
    hasGoal: false,
  },
];

/** Building a new atom from stored identities, by how many values its trait has. */
export async function buildScenario(world: World, rounds: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const question of QUESTIONS) {
    const ms: number[] = [];
    for (let round = 0; round < rounds; round++) ms.push(await measureOnce(world, question));
    const value = (world.identities / median(ms)) * 1000;
    const goal = question.hasGoal
      ? { goal: `≥ ${GOAL_PER_SECOND.toLocaleString('en')}`, isReached: value >= GOAL_PER_SECOND }
      : {};
    figures.push({ scenario: 'build', what: question.what, value, unit: 'identities/s', ...goal });
  }
  return figures;
}

async function measureOnce(
  { database, environment }: World,
  { property, operator, operand, sql }: Question,
): Promise<number> {
  const definition: AtomDefinition = {
    dialect: 'flagsmith',
    kind: 'trait',
    property,
    operator,
    operand,
    list: '',
    segmentKey: '',
  };
  const key = atomKey(definition);
  await registerAtoms(database, environment, new Map([[key, definition]]));
  const atom = (await readAtoms(database.sql, environment.id)).find((stored) => stored.key === key);
  if (atom === undefined) throw new Error('the atom was not registered');
  const ms = await timed(() => buildAtom(database, environment, atom.id, BUILD));
  const [row] = await database.sql<{ count: number }[]>`
    select count(*)::int as count from identity where environment_id = ${environment.id} and deleted_revision is null and ${database.sql.unsafe(sql)}`;
  strictEqual(
    (await cardinalities(database.sql, environment.id)).get(atom.id) ?? 0,
    row?.count,
    'the atom has whom SQL has',
  );
  await dropAtoms(database, environment, [atom]);
  return ms;
}
