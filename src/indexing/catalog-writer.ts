import type { AtomDefinition } from '../core/atoms.js';
import { encodeFlips, type RevisionFlips } from '../core/flips.js';
import {
  deleteAtoms,
  insertAtoms,
  insertUniverse,
  knownAtomKeys,
  noteNeeded,
  resetOutdatedAtom,
  resetReadyAtom,
  type StoredAtom,
} from '../storage/atoms.js';
import { writeAudit } from '../storage/audit.js';
import { forgetCaptures } from '../storage/captures.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { turnEnvironmentOff } from '../storage/environment-gates.js';
import { type Environment, insertEnvironment, type NewEnvironment, takeRevision } from '../storage/environments.js';
import { holdGate } from '../storage/organisations.js';
import { lockProject, readSegmentVersions } from '../storage/segments.js';
import { environmentEntry, environmentNote } from './audit-states.js';
import { requiredAtoms, servableAtomKeys } from './required-atoms.js';
import type { CommittedRevision } from './applier.js';

const CATALOG_CHANGED: RevisionFlips = { catalogChanged: true, atoms: new Map() };

/** Takes a revision that raises the catalog revision: every writer and reader looks at the catalog again. */
export async function takeCatalogRevision(tx: Sql, environment: Environment): Promise<CommittedRevision> {
  const head = await takeRevision(tx, environment.id, encodeFlips(CATALOG_CHANGED), true);
  return {
    environmentId: environment.id,
    revision: head.revision,
    committedAt: head.committedAt,
    flips: CATALOG_CHANGED,
  };
}

/** Creates an environment, with the atoms of its project's segments registered; off where its organisation is. Throws ENVIRONMENT_EXISTS. */
export async function createEnvironment(
  database: Database,
  environment: NewEnvironment,
  actor: string,
): Promise<Environment> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const gate = await holdGate(tx, environment.organisation);
    await lockProject(tx, environment.project);
    await forgetCaptures(tx, environment.key);
    const created = await insertWithAtoms(tx, environment);
    await writeAudit(tx, [environmentEntry(actor, created, { after: created })]);
    if (gate === '') return created;
    await turnEnvironmentOff(tx, created.id, gate);
    return { ...created, state: 'off', stateReason: gate };
  });
}

/** Inserts an environment, with the atoms of its project's segments registered. The project is locked. Throws ENVIRONMENT_EXISTS. */
export async function insertWithAtoms(tx: Sql, environment: NewEnvironment): Promise<Environment> {
  const created = await insertEnvironment(tx, environment);
  await insertUniverse(tx, created.id);
  const { revision } = await takeCatalogRevision(tx, created);
  await insertAtoms(
    tx,
    created.id,
    revision,
    await requiredAtoms(created, await readSegmentVersions(tx, created.project)),
  );
  return created;
}

/**
 * Registers those of a draft's atoms that the environment has not, as building, in a transaction of its own. From then on every applier
 * logs their flips. The revision, undefined where all were there.
 */
export async function registerAtoms(
  database: Database,
  environment: Environment,
  atoms: ReadonlyMap<string, AtomDefinition>,
): Promise<CommittedRevision | undefined> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const missing = await missingAtoms(tx, environment, atoms);
    if (missing.size === 0) return undefined;
    const committed = await takeCatalogRevision(tx, environment);
    await insertAtoms(tx, environment.id, committed.revision, missing, true);
    return committed;
  });
}

/** Takes a catalog revision for segments that are written, registers with it those of their atoms that the environment has not and keeps the others. */
export async function takeSegmentRevision(
  tx: Sql,
  environment: Environment,
  atoms: ReadonlyMap<string, AtomDefinition>,
): Promise<CommittedRevision> {
  const missing = await missingAtoms(tx, environment, atoms);
  const committed = await takeCatalogRevision(tx, environment);
  await insertAtoms(tx, environment.id, committed.revision, missing);
  await noteNeeded(tx, environment.id, new Set(atoms.keys()));
  return committed;
}

/** Those of the atoms that the environment has not. */
async function missingAtoms(
  tx: Sql,
  environment: Environment,
  atoms: ReadonlyMap<string, AtomDefinition>,
): Promise<Map<string, AtomDefinition>> {
  const known = await knownAtomKeys(tx, environment.id, new Set(atoms.keys()));
  return new Map([...atoms].filter(([key]) => !known.has(key)));
}

/**
 * Turns a ready atom back to building: its chunks are thrown away and made again from the stored identities. Undefined where it is building
 * already. `actor` is who asked for it; a damaged one is built again without being asked for.
 */
export async function rebuildAtom(
  database: Database,
  environment: Environment,
  atomId: number,
  actor?: string,
): Promise<CommittedRevision | undefined> {
  return turnBack(database, environment, async (tx, revision) => {
    if (actor !== undefined)
      await writeAudit(tx, [environmentNote(actor, environment, `atom ${atomId} is built again`)]);
    return resetReadyAtom(tx, environment.id, atomId, revision);
  });
}

/** Turns an atom of an earlier semantics version to building. Undefined where another process did. */
export async function rebuildOutdatedAtom(
  database: Database,
  environment: Environment,
  atomId: number,
): Promise<CommittedRevision | undefined> {
  return turnBack(database, environment, (tx, revision) => resetOutdatedAtom(tx, environment.id, atomId, revision));
}

async function turnBack(
  database: Database,
  environment: Environment,
  reset: (tx: Sql, revision: number) => Promise<boolean>,
): Promise<CommittedRevision | undefined> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const committed = await takeCatalogRevision(tx, environment);
    if (!(await reset(tx, committed.revision))) throw new NothingToReset();
    return committed;
  }).catch((error: unknown) => {
    if (error instanceof NothingToReset) return undefined;
    throw error;
  });
}

class NothingToReset extends Error {}

/**
 * Drops those of the atoms that no stored segment needs. That is looked at with the project's writers kept out: a segment that is being written
 * finds its atoms either there to stay or missing. Undefined where nothing was dropped.
 */
export async function dropAtoms(
  database: Database,
  environment: Environment,
  atoms: readonly Pick<StoredAtom, 'id' | 'key'>[],
): Promise<CommittedRevision | undefined> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    await lockProject(tx, environment.project);
    const versions = await readSegmentVersions(tx, environment.project);
    const needed = await servableAtomKeys(environment, versions, await requiredAtoms(environment, versions));
    const droppable = atoms.filter(({ key }) => !needed.has(key)).map(({ id }) => id);
    if (droppable.length === 0) return undefined;
    const committed = await takeCatalogRevision(tx, environment);
    await deleteAtoms(tx, environment.id, droppable);
    return committed;
  });
}
