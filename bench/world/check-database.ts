import { formatTrait } from '../../src/core/trait-text.js';
import { Applier, type EnvironmentChange } from '../../src/indexing/applier.js';
import { buildAtom } from '../../src/indexing/build.js';
import { createEnvironment } from '../../src/indexing/catalog-writer.js';
import { createSegment, putList } from '../../src/indexing/segment-writer.js';
import type { Person } from '../../src/cli/demo/population.js';
import { readAtoms, readUniverse } from '../../src/storage/atoms.js';
import type { Database } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import { migrate } from '../../src/storage/migrate.js';
import { type CheckEnvironment, listValues } from './check-environment.js';
import { onDatabase } from './databases.js';
import { BUILD } from './load.js';
import type { World } from './world.js';

const NAME = 'bench_check';

/** Runs `work` on a migrated database beside the world's, which is thrown away. */
export async function withCheckDatabase<Result>(
  { url }: World,
  work: (database: Database, url: string) => Promise<Result>,
): Promise<Result> {
  return onDatabase(url, NAME, async (database, ownUrl) => {
    await migrate(database);
    return work(database, ownUrl);
  });
}

/** An environment with its segments and people; where it has people, with every atom built. With `isStored` the lists of its segments are stored lists. */
export async function createCheckEnvironment(
  database: Database,
  { key, segments }: CheckEnvironment,
  people: readonly Person[],
  isStored = false,
): Promise<Environment> {
  const environment = await createEnvironment(
    database,
    {
      key,
      name: key,
      project: key,
      organisation: key,
      ordinalMode: 'allotted',
      identityKeyMode: 'composite',
    },
    'bench',
  );
  if (people.length > 0) await new Applier(database, () => undefined).apply(changesOf(environment, people));
  for (const segment of segments) {
    const { definition } = isStored ? await withStoredList(database, key, segment) : segment;
    await createSegment(
      database,
      { project: key, key: segment.key, name: segment.key, description: '', definition },
      'bench',
    );
  }
  if (people.length === 0) return environment;
  const universe = await readUniverse(database.sql, environment.id);
  for (const atom of [universe, ...(await readAtoms(database.sql, environment.id))])
    if (atom !== undefined) await buildAtom(database, environment, atom.id, BUILD);
  return environment;
}

/** Each trait's JSON text, as the service hands them on. */
export function traitTexts({ traits }: Person): Map<string, string> {
  return new Map(Object.entries(traits).map(([name, value]) => [name, formatTrait(value)]));
}

function changesOf({ key }: Environment, people: readonly Person[]): EnvironmentChange[] {
  return people.map((person, index) => ({
    environmentKey: key,
    index,
    change: { kind: 'upsert', identifier: person.identifier, traits: traitTexts(person) },
  }));
}

async function withStoredList(
  database: Database,
  project: string,
  segment: CheckEnvironment['segments'][number],
): Promise<CheckEnvironment['segments'][number]> {
  const { sha256 } = await putList(
    database,
    { project, name: `list-${segment.key}`, values: new Set(listValues(segment)) },
    'bench',
  );
  const rules = segment.definition.rules.map((rule) => ({
    ...rule,
    conditions: rule.conditions.map((one) => ({ ...one, value: '', list: { name: `list-${segment.key}`, sha256 } })),
  }));
  return { ...segment, definition: { ...segment.definition, rules } };
}
