import type { AtomDefinition } from '../core/atoms.js';
import { encodeFlips, type RevisionFlips } from '../core/flips.js';
import {
  deleteAtoms,
  idleAtoms,
  insertAtoms,
  insertUniverse,
  readAtoms,
  resetOutdatedAtom,
  resetReadyAtom,
  type StoredAtom,
} from '../storage/atoms.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { type Environment, insertEnvironment, takeRevision } from '../storage/environments.js';
import { lockProject, readSegmentVersions } from '../storage/segments.js';
import { requiredAtoms } from './required-atoms.js';
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

/** Creates an environment, with the atoms of its project's segments registered. Throws ENVIRONMENT_EXISTS. */
export async function createEnvironment(
  database: Database,
  environment: Omit<Environment, 'id' | 'createdAt'>,
): Promise<Environment> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    await lockProject(tx, environment.project);
    const created = await insertEnvironment(tx, environment);
    await insertUniverse(tx, created.id);
    const { revision } = await takeCatalogRevision(tx, created);
    await insertAtoms(tx, created.id, revision, requiredAtoms(created, await readSegmentVersions(tx, created.project)));
    return created;
  });
}

/**
 * Registers those of the atoms that the environment has not, as building, in a transaction of its own. From then on every applier
 * logs their flips. The revision, undefined where all were there.
 */
export async function registerAtoms(
  database: Database,
  environment: Environment,
  atoms: ReadonlyMap<string, AtomDefinition>,
): Promise<CommittedRevision | undefined> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    const missing = await missingAtoms(tx, environment, atoms);
    return missing.size === 0 ? undefined : insertMissing(tx, environment, missing);
  });
}

/** Takes a catalog revision for a segment that is written, and registers with it those of its atoms that the environment has not. */
export async function takeSegmentRevision(
  tx: Sql,
  environment: Environment,
  atoms: ReadonlyMap<string, AtomDefinition>,
): Promise<CommittedRevision> {
  return insertMissing(tx, environment, await missingAtoms(tx, environment, atoms));
}

async function insertMissing(
  tx: Sql,
  environment: Environment,
  missing: ReadonlyMap<string, AtomDefinition>,
): Promise<CommittedRevision> {
  const committed = await takeCatalogRevision(tx, environment);
  await insertAtoms(tx, environment.id, committed.revision, missing);
  return committed;
}

/** Those of the atoms that the environment has not. */
async function missingAtoms(
  tx: Sql,
  environment: Environment,
  atoms: ReadonlyMap<string, AtomDefinition>,
): Promise<Map<string, AtomDefinition>> {
  const known = new Set((await readAtoms(tx, environment.id)).map(({ key }) => key));
  return new Map([...atoms].filter(([key]) => !known.has(key)));
}

/** Turns a ready atom back to building: its chunks are thrown away and made again from the stored identities. Undefined where it is building already. */
export async function rebuildAtom(
  database: Database,
  environment: Environment,
  atomId: number,
): Promise<CommittedRevision | undefined> {
  return turnBack(database, environment, (tx, revision) => resetReadyAtom(tx, environment.id, atomId, revision));
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

/** Drops the ready atoms that nobody asked for within `idleMs` and that no stored segment needs. Undefined where there were none. */
export async function dropIdleAtoms(
  database: Database,
  environment: Environment,
  idleMs: number,
): Promise<CommittedRevision | undefined> {
  const idle = await idleAtoms(database.sql, environment.id, idleMs);
  return idle.length === 0 ? undefined : dropAtoms(database, environment, idle);
}

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
    const needed = requiredAtoms(environment, await readSegmentVersions(tx, environment.project));
    const droppable = atoms.filter(({ key }) => !needed.has(key)).map(({ id }) => id);
    if (droppable.length === 0) return undefined;
    const committed = await takeCatalogRevision(tx, environment);
    await deleteAtoms(tx, environment.id, droppable);
    return committed;
  });
}
