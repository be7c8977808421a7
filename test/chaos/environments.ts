import type { Database } from '../../src/storage/database.js';
import { createEnvironment } from '../../src/indexing/catalog-writer.js';
import type { Environment } from '../../src/storage/environments.js';

/** Two that share a project, with ordinals of our own, and one whose ordinals its source gives. */
export const ENVIRONMENTS = [
  { key: 'alpha', project: 'one', ordinalMode: 'allotted', identityKeyMode: 'composite' },
  { key: 'beta', project: 'two', ordinalMode: 'given', identityKeyMode: 'composite' },
  { key: 'gamma', project: 'one', ordinalMode: 'allotted', identityKeyMode: 'id' },
] as const;

export type EnvironmentKey = (typeof ENVIRONMENTS)[number]['key'];

/** Whether an environment of a message exists, and takes ordinals from its source. */
export function ordinalModeOf(key: string): 'given' | 'allotted' | undefined {
  return ENVIRONMENTS.find((environment) => environment.key === key)?.ordinalMode;
}

/** Creates them in an empty database. */
export function createEnvironments(database: Database): Promise<Environment[]> {
  return Promise.all(
    ENVIRONMENTS.map((environment) =>
      createEnvironment(
        database,
        { ...environment, name: environment.key.toUpperCase(), organisation: 'chaos' },
        'chaos',
      ),
    ),
  );
}
