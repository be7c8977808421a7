import { atomsOf } from '../core/predicates.js';
import { compileSegment } from '../core/compile.js';
import { RollcallError } from '../core/errors.js';
import { readAtoms } from '../storage/atoms.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { environmentsOfProject } from '../storage/environments.js';
import {
  deleteSegmentVersions,
  lockProject,
  projectsWithEarlierVersions,
  readSegmentVersions,
  type SegmentVersion,
} from '../storage/segments.js';
import { newestContext, newestOf } from './required-atoms.js';

/** Removes the earlier definitions of segments whose newest one is served in every environment of the project. */
export async function dropSupersededVersions(database: Database): Promise<void> {
  for (const project of await projectsWithEarlierVersions(database.sql)) {
    await inTransaction(database, { isolation: 'read committed' }, async (tx) => {
      await lockProject(tx, project);
      const versions = await readSegmentVersions(tx, project);
      const ready = await readyAtoms(tx, project);
      for (const newest of newestOfSeveral(versions))
        if (await isServed(tx, project, newest, versions, ready))
          await deleteSegmentVersions(tx, project, newest.key, newest.version);
    });
  }
}

/** The newest definitions of the segments that have earlier ones. */
function newestOfSeveral(versions: readonly SegmentVersion[]): SegmentVersion[] {
  const newest = new Set(newestOf(versions));
  const several = new Set(versions.filter((version) => !newest.has(version)).map(({ key }) => key));
  return [...newest].filter(({ key }) => several.has(key));
}

async function readyAtoms(tx: Sql, project: string): Promise<ReadonlyMap<number, ReadonlySet<string>>> {
  const ready = new Map<number, ReadonlySet<string>>();
  for (const { id } of await environmentsOfProject(tx, project)) {
    const atoms = await readAtoms(tx, id);
    ready.set(id, new Set(atoms.filter(({ state }) => state === 'ready').map(({ key }) => key)));
  }
  return ready;
}

async function isServed(
  tx: Sql,
  project: string,
  { key, definition }: SegmentVersion,
  versions: readonly SegmentVersion[],
  ready: ReadonlyMap<number, ReadonlySet<string>>,
): Promise<boolean> {
  for (const environment of await environmentsOfProject(tx, project)) {
    try {
      const { predicate } = compileSegment(key, definition, newestContext(environment, versions));
      for (const atomKey of atomsOf(predicate).keys())
        if (ready.get(environment.id)?.has(atomKey) !== true) return false;
    } catch (error) {
      if (error instanceof RollcallError) return false;
      throw error;
    }
  }
  return true;
}
