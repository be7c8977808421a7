import { columnOr, type FlagsmithColumns, isLive, readColumns } from './flagsmith-columns.js';
import type { FlagsmithDatabase } from './flagsmith-database.js';

export interface FlagsmithOrganisation {
  readonly id: number;
  readonly name: string;
  /** What else its row says, by column: texts, numbers and booleans; addresses are left out. */
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

export interface FlagsmithProject {
  readonly id: number;
  readonly name: string;
  readonly organisationId: number;
}

export interface FlagsmithEnvironment {
  readonly id: number;
  readonly name: string;
  readonly apiKey: string;
  readonly projectId: number;
  readonly projectName: string;
  readonly organisationId: number;
  readonly organisationName: string;
  /** What `identity.key` is: environment key and identifier, or the identity's id, as Flagsmith did before it had the choice. */
  readonly identityKeyMode: 'composite' | 'id';
}

/** The tenancy of a Flagsmith database without what was deleted, each by id. */
export interface FlagsmithTenancy {
  readonly organisations: readonly FlagsmithOrganisation[];
  readonly projects: readonly FlagsmithProject[];
  readonly environments: readonly FlagsmithEnvironment[];
}

const ORGANISATION_TABLE = 'organisations_organisation';
const PROJECT_TABLE = 'projects_project';
const ENVIRONMENT_TABLE = 'environments_environment';

const REQUIRED = {
  [ORGANISATION_TABLE]: ['id', 'name'],
  [PROJECT_TABLE]: ['id', 'name', 'organisation_id'],
  [ENVIRONMENT_TABLE]: ['id', 'name', 'api_key', 'project_id'],
};

/** What is no attribute to decide by, and what is about people. */
const NO_ATTRIBUTE = /^(id|name|deleted_at)$|email/;

/** Read in one statement, so that they fit each other. Throws SOURCE_UNAVAILABLE or INVALID_DOCUMENT. */
export async function listFlagsmithEnvironments(
  database: FlagsmithDatabase,
  signal: AbortSignal = new AbortController().signal,
): Promise<FlagsmithTenancy> {
  const columns = await readColumns(database, REQUIRED, signal);
  const statement = { text: tenancyQuery(columns), parameters: [] };
  const rows = await database.ask<TenancyRow>(() => statement, signal);
  return {
    organisations: organisationsOf(rows),
    projects: projectsOf(rows),
    environments: rows.flatMap(environmentOf),
  };
}

interface TenancyRow {
  readonly organisation_id: number;
  readonly organisation_name: string;
  readonly attributes: string;
  readonly project_id: number | null;
  readonly project_name: string | null;
  readonly id: number | null;
  readonly name: string | null;
  readonly api_key: string | null;
  readonly is_composite: boolean;
}

function tenancyQuery(columns: FlagsmithColumns): string {
  const attributes = [...(columns.get(ORGANISATION_TABLE) ?? [])].filter((name) => !NO_ATTRIBUTE.test(name));
  const environmentColumn = (column: string, otherwise: string): string =>
    columnOr(columns, { table: ENVIRONMENT_TABLE, alias: 'e', column }, otherwise);
  const isComposite = environmentColumn(
    'use_mv_v2_evaluation',
    environmentColumn('use_identity_composite_key_for_hashing', 'false'),
  );
  return `select o.id as organisation_id, o.name as organisation_name, ${attributesText(attributes)} as attributes,
      p.id as project_id, p.name as project_name, e.id, e.name, e.api_key, coalesce(${isComposite}, false) as is_composite
    from ${ORGANISATION_TABLE} o
    left join ${PROJECT_TABLE} p on p.organisation_id = o.id and ${isLive(columns, PROJECT_TABLE, 'p')}
    left join ${ENVIRONMENT_TABLE} e on e.project_id = p.id and ${isLive(columns, ENVIRONMENT_TABLE, 'e')}
    where ${isLive(columns, ORGANISATION_TABLE, 'o')} order by o.id, p.id, e.id`;
}

/** SQL: a JSON object of these columns of an organisation. */
function attributesText(names: readonly string[]): string {
  if (names.length === 0) return `'{}'`;
  const list = names.map((name) => `o."${name.replaceAll('"', '""')}"`).join(', ');
  return `(select to_jsonb(a)::text from (select ${list}) a)`;
}

function organisationsOf(rows: readonly TenancyRow[]): FlagsmithOrganisation[] {
  const organisations = new Map<number, FlagsmithOrganisation>();
  for (const { organisation_id: id, organisation_name: name, attributes } of rows)
    if (!organisations.has(id)) organisations.set(id, { id, name, attributes: readAttributes(attributes) });
  return [...organisations.values()];
}

function readAttributes(text: string): Record<string, string | number | boolean> {
  const values = Object.entries(Object(JSON.parse(text)) as Record<string, unknown>);
  return Object.fromEntries(values.filter((entry): entry is [string, string | number | boolean] => isScalar(entry[1])));
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function projectsOf(rows: readonly TenancyRow[]): FlagsmithProject[] {
  const projects = new Map<number, FlagsmithProject>();
  for (const { project_id: id, project_name: name, organisation_id: organisationId } of rows)
    if (id !== null && name !== null) projects.set(id, { id, name, organisationId });
  return [...projects.values()];
}

function environmentOf(row: TenancyRow): FlagsmithEnvironment[] {
  const { id, name, api_key: apiKey, project_id: projectId, project_name: projectName } = row;
  if (id === null || name === null || apiKey === null || projectId === null || projectName === null) return [];
  return [
    {
      id,
      name,
      apiKey,
      projectId,
      projectName,
      organisationId: row.organisation_id,
      organisationName: row.organisation_name,
      identityKeyMode: row.is_composite ? 'composite' : 'id',
    },
  ];
}
