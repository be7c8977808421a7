import { RollcallError } from '../../core/errors.js';
import { createEnvironment } from '../../indexing/catalog-writer.js';
import { updateEnvironment } from '../../indexing/update-environment.js';
import type { FlagsmithEnvironment } from '../../sources/flagsmith/flagsmith-tenancy.js';
import type { Database } from '../../storage/database.js';
import { type Environment, findEnvironment, type NewEnvironment } from '../../storage/environments.js';
import { type AdoptionOptions, type AdoptionOutcome, failureOf } from './adoption.js';

/** What became of an environment of Flagsmith's. */
export interface AdoptedEnvironment {
  readonly key: string;
  readonly name: string;
  readonly outcome: AdoptionOutcome | RollcallError;
}

/** Creates an environment with Flagsmith's database as its source, or brings its name, its mode of `identity.key` and its source up to date. */
export async function adoptEnvironment(
  database: Database,
  environment: FlagsmithEnvironment,
  options: Pick<AdoptionOptions, 'isDryRun' | 'actor' | 'onCommitted'>,
): Promise<AdoptedEnvironment> {
  const wanted = wantedEnvironment(environment);
  const { key, name } = wanted;
  try {
    return { key, name, outcome: await adopt(database, wanted, options) };
  } catch (error) {
    return { key, name, outcome: failureOf(error) };
  }
}

function wantedEnvironment({ apiKey, name, projectId, organisationId, identityKeyMode }: FlagsmithEnvironment) {
  return {
    key: apiKey,
    name: name === '' ? apiKey : name,
    project: String(projectId),
    organisation: String(organisationId),
    ordinalMode: 'given',
    identityKeyMode,
    source: 'flagsmith',
  } as const satisfies NewEnvironment;
}

async function adopt(
  database: Database,
  wanted: ReturnType<typeof wantedEnvironment>,
  { isDryRun, actor, onCommitted }: Pick<AdoptionOptions, 'isDryRun' | 'actor' | 'onCommitted'>,
): Promise<AdoptionOutcome> {
  const found = await findEnvironment(database.sql, wanted.key);
  if (found === undefined) {
    if (!isDryRun) await createEnvironment(database, wanted, actor);
    return 'created';
  }
  refuseOther(found, wanted);
  const { name, identityKeyMode, source } = wanted;
  if (found.name === name && found.identityKeyMode === identityKeyMode && found.source === source) return 'unchanged';
  if (!isDryRun) {
    const { revisions } = await updateEnvironment(database, wanted.key, { name, identityKeyMode, source }, actor);
    revisions.forEach(onCommitted);
  }
  return 'updated';
}

/** These never change of an environment: one that differs in them is another. */
const FIXED = ['project', 'organisation', 'ordinalMode'] as const satisfies readonly (keyof Environment)[];

function refuseOther(found: Environment, wanted: NewEnvironment): void {
  const differing = FIXED.filter((name) => found[name] !== wanted[name]);
  if (differing.length === 0) return;
  const explanation = differing
    .map((name) => `its ${LABELS[name]} is '${found[name]}', not '${wanted[name]}'`)
    .join(', ');
  throw new RollcallError('ENVIRONMENT_EXISTS', `another environment has this key: ${explanation}`, {
    metadata: { environment: wanted.key },
  });
}

const LABELS = { project: 'project', organisation: 'organisation', ordinalMode: 'ordinal mode' } satisfies Record<
  (typeof FIXED)[number],
  string
>;
