import { strictEqual } from 'node:assert/strict';
import { z } from 'zod';
import { atomKey, type AtomDefinition } from '../../src/core/atoms.js';
import { buildAtom } from '../../src/indexing/build.js';
import { dropAtoms, registerAtoms } from '../../src/indexing/catalog-writer.js';
import { readAtoms } from '../../src/storage/atoms.js';
import { cardinalities } from '../../src/storage/chunks.js';
import { findEnvironment } from '../../src/storage/environments.js';
import { timed } from '../measure/statistics.js';
import { connectTo } from '../world/databases.js';
import { BUILD } from '../world/load.js';
import { ENVIRONMENT } from '../world/world.js';

/** As the service builds unless it is told otherwise. */
const RANGE_CHUNKS = 1;

/** Which atom is built how often, and how many it should have. */
export const BUILD_WORK = z.object({
  url: z.string(),
  property: z.string(),
  operator: z.enum(['EQUAL', 'GREATER_THAN', 'CONTAINS']),
  operand: z.string(),
  expected: z.number(),
  rounds: z.number(),
});

/** Builds an atom as often as asked, and drops it each time; milliseconds of each. */
export async function work(argument: unknown): Promise<number[]> {
  const { url, property, operator, operand, expected, rounds } = BUILD_WORK.parse(argument);
  const database = connectTo(url);
  const environment = await findEnvironment(database.sql, ENVIRONMENT);
  if (environment === undefined) throw new Error('the database is not one of the benchmark');
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
  const ms: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await registerAtoms(database, environment, new Map([[key, definition]]));
    const atom = (await readAtoms(database.sql, environment.id)).find((stored) => stored.key === key);
    if (atom === undefined) throw new Error('the atom was not registered');
    ms.push(await timed(() => buildAtom(database, environment, atom.id, { ...BUILD, rangeChunks: RANGE_CHUNKS })));
    const built: number = (await cardinalities(database.sql, environment.id)).get(atom.id) ?? 0;
    strictEqual(built, expected, 'the atom has whom SQL has');
    await dropAtoms(database, environment, [atom]);
  }
  await database.close(1_000);
  return ms;
}
