import { RollcallError } from '../../core/errors.js';
import type { PlannedSegment } from '../../core/import/plan-import.js';
import { readDocument } from '../../core/import/read-document.js';
import { readSegments } from '../../core/import/read-segments.js';
import { importSegments } from '../../indexing/import-segments.js';
import type { FlagsmithDatabase } from '../../sources/flagsmith/flagsmith-database.js';
import type { FlagsmithOrganisation, FlagsmithProject } from '../../sources/flagsmith/flagsmith-tenancy.js';
import type { Database } from '../../storage/database.js';
import type { ConfiguredSources } from './configured-sources.js';
import { type AdoptedEnvironment, adoptEnvironment } from './adopt-environment.js';
import { adoptOrganisation } from './adopt-organisation.js';
import { type AdoptionOptions, type AdoptionOutcome, failureOf } from './adoption.js';
import { type AdoptionFilter, planAdoption, type ProjectToAdopt } from './adoption-plan.js';

/** What became of a project of Flagsmith's. */
export interface AdoptedProject {
  readonly project: FlagsmithProject;
  readonly organisation: FlagsmithOrganisation & { readonly outcome: AdoptionOutcome };
  /** By key. */
  readonly environments: readonly AdoptedEnvironment[];
  /** By id; those that cannot be written as they are there are disabled with the reason. */
  readonly segments: readonly PlannedSegment[];
  /** Why no segment was taken; undefined where they were. */
  readonly segmentsFailure: RollcallError | undefined;
}

/**
 * Brings over what Flagsmith's database has: organisations, projects' segments, environments with that database as their source, in this order, so that a new environment is loaded with its atoms
 * registered. What is there and differs is changed; nothing is deleted. One project after the other, each told of once it is done; what cannot be taken of one keeps nothing
 * else out. Throws SOURCE_NOT_CONFIGURED, SOURCE_UNAVAILABLE, INVALID_DOCUMENT where the tables are none of Flagsmith's, ENVIRONMENT_NOT_FOUND where the filter leaves nothing.
 */
export async function* adoptFlagsmith(
  database: Database,
  sources: Pick<ConfiguredSources, 'openFlagsmith'>,
  options: AdoptionOptions,
): AsyncGenerator<AdoptedProject> {
  const flagsmith = await sources.openFlagsmith();
  const { listFlagsmithEnvironments } = await import('../../sources/flagsmith/flagsmith-tenancy.js');
  const projects = planAdoption(await listFlagsmithEnvironments(flagsmith, options.signal), options);
  if (projects.length === 0 && (options.project !== '' || options.environment !== '')) throw nothingFound(options);
  for (const project of projects) {
    options.signal.throwIfAborted();
    yield await adoptProject(database, flagsmith, project, options);
  }
}

async function adoptProject(
  database: Database,
  flagsmith: FlagsmithDatabase,
  { project, organisation, environments }: ProjectToAdopt,
  options: AdoptionOptions,
): Promise<AdoptedProject> {
  const outcome = await adoptOrganisation(database, organisation, options);
  if (!options.isDryRun) await options.settleGate(String(organisation.id));
  const { segments, failure } = await adoptSegments(database, flagsmith, project, options);
  const adopted: AdoptedEnvironment[] = [];
  for (const environment of environments) adopted.push(await adoptEnvironment(database, environment, options));
  return {
    project,
    organisation: { ...organisation, outcome },
    environments: adopted,
    segments,
    segmentsFailure: failure,
  };
}

async function adoptSegments(
  database: Database,
  flagsmith: FlagsmithDatabase,
  { id }: FlagsmithProject,
  { isDryRun, actor, signal, onCommitted }: AdoptionOptions,
): Promise<{ segments: readonly PlannedSegment[]; failure: RollcallError | undefined }> {
  const { readFlagsmithSegments } = await import('../../sources/flagsmith/flagsmith-segments.js');
  const text = await readFlagsmithSegments(flagsmith, id, signal);
  try {
    const imported = readSegments(readDocument(Buffer.from(text)), { format: 'flagsmith', key: '' });
    const how = { project: String(id), mode: 'replace' as const, isDryRun, actor };
    const { segments, revisions } = await importSegments(database, imported, how);
    revisions.forEach(onCommitted);
    return { segments, failure: undefined };
  } catch (error) {
    return { segments: [], failure: failureOf(error) };
  }
}

function nothingFound({ project, environment }: AdoptionFilter): RollcallError {
  const what = environment === '' ? `project ${project}` : `environment '${environment}'`;
  return new RollcallError('ENVIRONMENT_NOT_FOUND', `Flagsmith's database has no ${what}`, {
    metadata: { ...(environment === '' ? {} : { environment }), ...(project === '' ? {} : { project }) },
  });
}
