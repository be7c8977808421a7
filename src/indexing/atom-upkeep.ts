import {
  areReady,
  type AtomExpiry,
  deleteAtoms,
  expiredAtoms,
  knownAtomKeys,
  noteNeeded,
  noteUnneeded,
} from '../storage/atoms.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import {
  clearEarlierSettings,
  type Environment,
  environmentsOfProject,
  findEnvironmentById,
  readHead,
} from '../storage/environments.js';
import {
  countVersions,
  lockProject,
  readSegmentVersions,
  readVersionNumbers,
  type SegmentVersion,
} from '../storage/segments.js';
import type { CommittedRevision } from './applier.js';
import { takeCatalogRevision, takeSegmentRevision } from './catalog-writer.js';
import { requiredAtoms, servableAtomKeys } from './required-atoms.js';

/** What an upkeep found: it need not be done again as long as that is the same. And the revision that it took, if any. */
export interface Upkeep {
  readonly found: string;
  readonly committed: CommittedRevision | undefined;
}

/**
 * Notes of each atom of an environment whether a segment may need it, registers those that one does and that are missing, and forgets earlier settings once nothing is
 * served by them. Undefined where there is only what was `found` before, and where a segment was written in the meantime: the next upkeep sees to it.
 */
export async function keepUpAtoms(
  database: Database,
  { id: environmentId, project }: Environment,
  foundBefore: string | undefined,
): Promise<Upkeep | undefined> {
  const { found, environment, versions } = await readState(database, environmentId, project, foundBefore);
  if (found === foundBefore || environment === undefined) return undefined;
  const required = await requiredAtoms(environment, versions);
  const needed = await servableAtomKeys(environment, versions, required);
  const requiredKeys = new Set(required.keys());
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    await lockProject(tx, environment.project);
    if (!(await isStill(tx, environment, versions))) return undefined;
    await noteUnneeded(tx, environmentId, needed);
    await noteNeeded(tx, environmentId, needed);
    const isComplete = (await knownAtomKeys(tx, environmentId, requiredKeys)).size === required.size;
    const committed = isComplete ? undefined : await takeSegmentRevision(tx, environment, required);
    if (environment.earlierSettings.length > 0 && (await areReady(tx, environmentId, requiredKeys)))
      await clearEarlierSettings(tx, environmentId);
    return { found, committed };
  });
}

interface State {
  readonly found: string;
  readonly environment: Environment | undefined;
  /** None where there is only what was found before. */
  readonly versions: readonly SegmentVersion[];
}

async function readState(
  database: Database,
  environmentId: number,
  project: string,
  foundBefore: string | undefined,
): Promise<State> {
  return inTransaction(database, { isolation: 'repeatable read', readOnly: true }, async (tx) => {
    const environment = await findEnvironmentById(tx, environmentId);
    const catalogRevision = (await readHead(tx, environmentId))?.catalogRevision;
    // Definitions and settings that are served no more go without a revision.
    const found = [catalogRevision, await countVersions(tx, project), environment?.earlierSettings.length].join(' ');
    return { found, environment, versions: found === foundBefore ? [] : await readSegmentVersions(tx, project) };
  });
}

/** Whether the definitions and settings are those that were read. The caller keeps the project's writers out. */
async function isStill(tx: Sql, environment: Environment, versions: readonly SegmentVersion[]): Promise<boolean> {
  const now = (await environmentsOfProject(tx, environment.project)).find(({ id }) => id === environment.id);
  const settingsOf = ({ name, identityKeyMode, earlierSettings }: Environment): string =>
    JSON.stringify([name, identityKeyMode, earlierSettings]);
  if (now === undefined || settingsOf(now) !== settingsOf(environment)) return false;
  const numbers = await readVersionNumbers(tx, environment.project);
  return (
    numbers.length === versions.length &&
    numbers.every(({ key, version }, place) => versions[place]?.key === key && versions[place].version === version)
  );
}

/**
 * Drops the atoms that no segment needs and whose time is over. That is noted by whoever writes a segment, and looked at with the project's writers kept out: a
 * segment that is being written finds its atoms either there to stay or missing. Undefined where nothing was dropped.
 */
export async function dropExpiredAtoms(
  database: Database,
  environment: Environment,
  expiry: AtomExpiry,
): Promise<CommittedRevision | undefined> {
  if ((await expiredAtoms(database.sql, environment.id, expiry)).length === 0) return undefined;
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    await lockProject(tx, environment.project);
    const expired = await expiredAtoms(tx, environment.id, expiry);
    if (expired.length === 0) return undefined;
    const committed = await takeCatalogRevision(tx, environment);
    await deleteAtoms(tx, environment.id, expired);
    return committed;
  });
}
