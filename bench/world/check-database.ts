import { formatTrait } from '../../src/core/trait-text.js';
import { Applier, type EnvironmentChange } from '../../src/indexing/applier.js';
import { buildAtom } from '../../src/indexing/build.js';
import { createEnvironment } from '../../src/indexing/catalog-writer.js';
import { createSegment, putList } from '../../src/indexing/segment-writer.js';
import type { Person } from '../../src/cli/demo/population.js';
import { readAtoms, readUniverse } from '../../src/storage/atoms.js';
import { connectDatabase, type Database } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import { migrate } from '../../src/storage/migrate.js';
import { type CheckEnvironment, listValues } from './check-environment.js';
import { BUILD } from './load.js';
import type { World } from './world.js';

const NAME = 'bench_check';
const CONNECTION = {
  maxConnections: 4,
  applicationName: 'rollcall-bench',
  connectTimeoutMs: 10_000,
  statementTimeoutMs: 600_000,
};

/** Runs `work` on an empty database beside the world's, which is thrown away. */
export async function withCheckDatabase<Result>(
  world: World,
  work: (database: Database, url: string) => Promise<Result>,
): Promise<Result> {
  const url = new URL(world.url);
  url.pathname = `/${NAME}`;
  await world.database.sql.unsafe(`drop database if exists ${NAME} with (force)`);
  await world.database.sql.unsafe(`create database ${NAME}`);
  const database = connectDatabase({ ...CONNECTION, url: url.href });
  try {
    await migrate(database);
    return await work(database, url.href);
  } finally {
    await database.close(1_000);
    await world.database.sql.unsafe(`drop database ${NAME} with (force)`);
  }
}

/** An environment with its segments and people; where it has people, with every atom built. With `isStored` the lists of its segments are stored lists. */
export async function createCheckEnvironment(
  database: Database,
  { key, segments }: CheckEnvironment,
  people: readonly Person[],
  isStored = false,
): Promise<Environment> {
  const environment = await createEnvironment(database, {
    key,
    name: key,
    project: key,
    organisation: key,
    ordinalMode: 'allotted',
    identityKeyMode: 'composite',
  });
  if (people.length > 0) await new Applier(database, () => undefined).apply(changesOf(environment, people));
  for (const segment of segments) {
    const { definition } = isStored ? await withStoredList(database, key, segment) : segment;
    await createSegment(database, { project: key, key: segment.key, name: segment.key, description: '', definition });
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
  const { sha256 } = await putList(database, project, `list-${segment.key}`, new Set(listValues(segment)));
  const rules = segment.definition.rules.map((rule) => ({
    ...rule,
    conditions: rule.conditions.map((one) => ({ ...one, value: '', list: { name: `list-${segment.key}`, sha256 } })),
  }));
  return { ...segment, definition: { ...segment.definition, rules } };
}
