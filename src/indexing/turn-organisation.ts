import { SERVICE_ACTOR, writeAudit } from '../storage/audit.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { endBuilds, markPurged, turnEnvironmentOff, turnEnvironmentOn } from '../storage/environment-gates.js';
import { type Environment, environmentsOfOrganisation, markEnvironmentDeleted } from '../storage/environments.js';
import { decideGate, type Gate, lockOrganisation, type Organisation } from '../storage/organisations.js';
import { lockProject } from '../storage/segments.js';
import type { CommittedRevision } from './applier.js';
import { cancelActive } from './backfill/end-backfill.js';
import { insertWithAtoms, takeCatalogRevision } from './catalog-writer.js';
import { organisationEntry } from './organisation-audit.js';

/** What turning an organisation did. */
export interface TurnedOrganisation {
  readonly before: Gate;
  /** One for each of its environments. */
  readonly revisions: readonly CommittedRevision[];
  /** The keys of environments that were emptied: others, empty ones, have taken their places. */
  readonly purged: readonly string[];
}

/**
 * Turns the gate of an organisation, with all of its environments, in one transaction under the lock of its row: of several processes that find the same, one
 * turns it. Undefined where it stands like that already. Locks are taken in the order organisation, projects, heads.
 */
export async function turnOrganisation(
  database: Database,
  key: string,
  gate: Gate,
  whenOff: 'keep' | 'purge',
): Promise<TurnedOrganisation | undefined> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const organisation = await lockOrganisation(tx, key);
    const { gate: before, isDecided } = organisation;
    if (before === gate && isDecided) return undefined;
    await decideGate(tx, organisation, gate);
    if (before === gate) return undefined;
    const environments = await environmentsOfOrganisation(tx, key);
    await noteTurn(tx, organisation, gate);
    if (gate === '') return { before, revisions: await turnEach(tx, environments, turnEnvironmentOn), purged: [] };
    const isPurging = before === '' && (organisation.whenOff || whenOff) === 'purge';
    if (isPurging) for (const project of projectsOf(environments)) await lockProject(tx, project);
    const revisions = await turnEach(tx, environments, (_, id) => turnOff(tx, id, gate));
    if (!isPurging) return { before, revisions, purged: [] };
    const emptied: CommittedRevision[] = [];
    for (const environment of environments) emptied.push(await empty(tx, environment, gate));
    return { before, revisions: emptied, purged: environments.map((environment) => environment.key) };
  });
}

async function noteTurn(tx: Sql, organisation: Organisation, gate: Gate): Promise<void> {
  const note = gate === '' ? 'its index is switched on' : `its index is switched off by the ${gate}`;
  const entry = organisationEntry(SERVICE_ACTOR, organisation, { ...organisation, gate, gatedAt: new Date() }, note);
  if (entry !== undefined) await writeAudit(tx, [entry]);
}

/** In order of their heads. */
async function turnEach(
  tx: Sql,
  environments: readonly Environment[],
  turn: (tx: Sql, environmentId: number) => Promise<void>,
): Promise<CommittedRevision[]> {
  const revisions: CommittedRevision[] = [];
  for (const environment of environments) {
    revisions.push(await takeCatalogRevision(tx, environment));
    await turn(tx, environment.id);
  }
  return revisions;
}

/** What works on it finds no work any more: its backfill is cancelled, its builds lose their leases. */
async function turnOff(tx: Sql, environmentId: number, gate: Exclude<Gate, ''>): Promise<void> {
  await turnEnvironmentOff(tx, environmentId, gate);
  await cancelActive(tx, environmentId, 'its organisation was switched off');
  await endBuilds(tx, environmentId);
}

/** Puts an empty environment in the place of one that is off; what is stored of that one goes in the background. */
async function empty(tx: Sql, environment: Environment, gate: Exclude<Gate, ''>): Promise<CommittedRevision> {
  await markEnvironmentDeleted(tx, environment.key);
  const created = await insertWithAtoms(tx, environment);
  await turnEnvironmentOff(tx, created.id, gate);
  await markPurged(tx, created.id, environment);
  return takeCatalogRevision(tx, created);
}

function projectsOf(environments: readonly Environment[]): string[] {
  return [...new Set(environments.map(({ project }) => project))].sort();
}
