import { RollcallError } from '../core/errors.js';
import type { EnvironmentSettings } from '../core/environment-settings.js';
import { areReady } from '../storage/atoms.js';
import { writeAudit } from '../storage/audit.js';
import { type Database, inTransaction, type Sql } from '../storage/database.js';
import { type Environment, findEnvironment, writeEnvironment } from '../storage/environments.js';
import { lockProject, readSegmentVersions } from '../storage/segments.js';
import type { CommittedRevision } from './applier.js';
import { environmentEntry } from './audit-states.js';
import { takeCatalogRevision, takeSegmentRevision } from './catalog-writer.js';
import { requiredAtoms } from './required-atoms.js';

/** What is to be changed of an environment; what is absent stays. */
export type EnvironmentChanges = Partial<EnvironmentSettings & Pick<Environment, 'source'>>;

/** An environment as it is now, and the revision that made it so; none where nothing was to be changed. */
export interface UpdatedEnvironment {
  readonly environment: Environment;
  readonly revisions: readonly CommittedRevision[];
}

/** Settings under which segments may still be served; each is tried for each segment. */
const MAX_EARLIER_SETTINGS = 8;

/**
 * Changes an environment. The atoms that its segments need under other settings are registered in the same transaction; until they are ready each segment is served by
 * earlier settings, all its rules by the same. Throws ENVIRONMENT_NOT_FOUND, CONFLICT where too many changes before this one wait for their atoms.
 */
export async function updateEnvironment(
  database: Database,
  key: string,
  changes: EnvironmentChanges,
  actor: string,
): Promise<UpdatedEnvironment> {
  return inTransaction(database, { isolation: 'read committed' }, async (tx) => {
    await lockProject(tx, (await expectEnvironment(tx, key)).project);
    const before = await expectEnvironment(tx, key);
    const wanted = { ...before, ...changes };
    const isSameSource = wanted.source === before.source;
    if (isSameSource && areSame(wanted, before)) return { environment: before, revisions: [] };
    const { committed, earlierSettings } = await takeRevisionFor(tx, before, wanted);
    const after = await writeEnvironment(tx, before.id, { ...wanted, earlierSettings });
    if (after === undefined) throw unknownEnvironment(key);
    await writeAudit(tx, [environmentEntry(actor, after, { before, after })]);
    return { environment: after, revisions: [committed] };
  });
}

/** Takes the catalog revision of a change, with the atoms that are needed after it. Every setting that a segment may be served by is kept. */
async function takeRevisionFor(
  tx: Sql,
  before: Environment,
  wanted: Environment,
): Promise<{ readonly committed: CommittedRevision; readonly earlierSettings: readonly EnvironmentSettings[] }> {
  const { earlierSettings } = before;
  if (areSame(before, wanted)) return { committed: await takeCatalogRevision(tx, before), earlierSettings };
  const required = await requiredAtoms(wanted, await readSegmentVersions(tx, before.project));
  const committed = await takeSegmentRevision(tx, wanted, required);
  if (await areReady(tx, before.id, new Set(required.keys()))) return { committed, earlierSettings: [] };
  const { name, identityKeyMode } = before;
  const kept = [{ name, identityKeyMode }, ...earlierSettings.filter((earlier) => !areSame(earlier, before))];
  const others = kept.filter((earlier) => !areSame(earlier, wanted));
  if (others.length <= MAX_EARLIER_SETTINGS) return { committed, earlierSettings: others };
  throw new RollcallError('CONFLICT', 'earlier changes of the environment wait for their atoms to be built', {
    metadata: { environment: before.key, retryAfterMs: '10000' },
  });
}

function areSame(a: EnvironmentSettings, b: EnvironmentSettings): boolean {
  return a.name === b.name && a.identityKeyMode === b.identityKeyMode;
}

async function expectEnvironment(tx: Sql, key: string): Promise<Environment> {
  const environment = await findEnvironment(tx, key);
  if (environment === undefined) throw unknownEnvironment(key);
  return environment;
}

function unknownEnvironment(key: string): RollcallError {
  return new RollcallError('ENVIRONMENT_NOT_FOUND', `the environment '${key}' does not exist`, {
    metadata: { environment: key },
  });
}
