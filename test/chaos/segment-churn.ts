import { RollcallError } from '../../src/core/errors.js';
import type { Condition, SegmentDefinition } from '../../src/core/segments.js';
import { createSegment, removeSegment } from '../../src/indexing/segment-writer.js';
import type { Database } from '../../src/storage/database.js';
import { ENVIRONMENTS } from './environments.js';
import { type Loop, startLoop } from './loop.js';
import { createRandom, type Random } from './random.js';

const REST_MS = 700;
const SEGMENTS = 8;
const PROJECTS = [...new Set(ENVIRONMENTS.map(({ project }) => project))];

/** Beside the values of `TRAIT_SAMPLES`. */
const CONDITIONS: readonly Condition[] = [
  { property: 'plan', operator: 'EQUAL', value: 'pro' },
  { property: 'plan', operator: 'NOT_EQUAL', value: 'free' },
  { property: 'plan', operator: 'IN', value: 'pro,enterprise' },
  { property: 'plan', operator: 'IS_NOT_SET', value: '' },
  { property: 'age', operator: 'GREATER_THAN', value: '20' },
  { property: 'age', operator: 'LESS_THAN_INCLUSIVE', value: '21' },
  { property: 'age', operator: 'MODULO', value: '4|1' },
  { property: 'country', operator: 'REGEX', value: '.*o' },
  { property: 'country', operator: 'CONTAINS', value: 'r' },
  { property: '50% off', operator: 'IS_SET', value: '' },
  { property: 'tags', operator: 'EQUAL', value: 'True' },
  { property: '$.identity.traits.tags.level', operator: 'EQUAL', value: '21' },
  { property: '$.identity.identifier', operator: 'REGEX', value: 'user-1' },
  { property: '$.identity.traits[?@ > 20]', operator: 'IS_SET', value: '' },
  { property: '', operator: 'PERCENTAGE_SPLIT', value: '40' },
  { property: 'plan', operator: 'PERCENTAGE_SPLIT', value: '50' },
];

/** The segments that stay, by key, in each project: a few conditions each, so that every operator has an atom. */
export const BASE_SEGMENTS: ReadonlyMap<string, SegmentDefinition> = new Map(
  Array.from({ length: CONDITIONS.length / 2 }, (_, number) => [
    `base-${number}`,
    anyOf(CONDITIONS.slice(number * 2, number * 2 + 2)),
  ]),
);

export async function createBaseSegments(database: Database): Promise<void> {
  for (const project of PROJECTS)
    for (const [key, definition] of BASE_SEGMENTS) await create(database, project, key, definition);
}

/** Creates and deletes segments, and with them atoms, straight in the database. While that is away it does nothing. */
export function startSegmentChurn(database: Database, seed: number): Loop {
  const random = createRandom(seed, 200);
  return startLoop(REST_MS, async () => {
    const [project, key] = [random.pick(PROJECTS), `churn-${random.int(0, SEGMENTS - 1)}`];
    const conditions = [drawCondition(random), random.pick(CONDITIONS)];
    await (
      random.chance(0.5)
        ? create(database, project, key, anyOf(conditions))
        : removeSegment(database, { project, key, etag: '' }, 'chaos')
    ).catch((error: unknown) => {
      if (!(error instanceof RollcallError)) throw error;
    });
  });
}

function drawCondition(random: Random): Condition {
  const value = String(random.int(0, 70));
  return { property: 'age', operator: random.pick(['GREATER_THAN', 'LESS_THAN', 'EQUAL']), value };
}

function anyOf(conditions: readonly Condition[]): SegmentDefinition {
  return { dialect: 'flagsmith', enabled: true, parent: '', rules: [{ type: 'ANY', conditions, rules: [] }] };
}

async function create(database: Database, project: string, key: string, definition: SegmentDefinition): Promise<void> {
  await createSegment(database, { project, key, name: key, description: '', definition }, 'chaos');
}
