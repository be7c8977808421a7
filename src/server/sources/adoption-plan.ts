import type {
  FlagsmithEnvironment,
  FlagsmithOrganisation,
  FlagsmithProject,
  FlagsmithTenancy,
} from '../../sources/flagsmith/flagsmith-tenancy.js';

/** What is to be brought over; '' is everything. */
export interface AdoptionFilter {
  /** The project's id. */
  readonly project: string;
  /** The environment's key. */
  readonly environment: string;
}

/** A project of Flagsmith's with what belongs to it. */
export interface ProjectToAdopt {
  readonly project: FlagsmithProject;
  readonly organisation: FlagsmithOrganisation;
  /** By key. */
  readonly environments: readonly FlagsmithEnvironment[];
}

/** The projects that pass the filter, in Flagsmith's order. With an environment it is only its project, and of its environments only that one. */
export function planAdoption(tenancy: FlagsmithTenancy, filter: AdoptionFilter): ProjectToAdopt[] {
  const organisations = new Map(tenancy.organisations.map((organisation) => [organisation.id, organisation]));
  const environments = tenancy.environments
    .filter(({ apiKey }) => filter.environment === '' || apiKey === filter.environment)
    .sort((a, b) => compare(a.apiKey, b.apiKey));
  return tenancy.projects.flatMap((project): ProjectToAdopt[] => {
    const organisation = organisations.get(project.organisationId);
    const own = environments.filter(({ projectId }) => projectId === project.id);
    const isMeant = filter.project === '' || String(project.id) === filter.project;
    if (organisation === undefined || !isMeant || (filter.environment !== '' && own.length === 0)) return [];
    return [{ project, organisation, environments: own }];
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
