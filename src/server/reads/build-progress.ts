import { RollcallError } from '../../core/errors.js';
import { UNIVERSE_ATOM_ID } from '../../core/flips.js';
import { readAtoms, readUniverse, type StoredAtom } from '../../storage/atoms.js';
import { newestBackfill } from '../../storage/backfills.js';
import type { Database, Sql } from '../../storage/database.js';
import type { Environment } from '../../storage/environments.js';
import { highestOrdinal } from '../../storage/scans.js';

/** Of what is not ready yet. */
const MOST_UNREADY = 0.99;

/** How much of an atom is built, 0 to 1; 1 only once it is ready. */
export function builtShare(atom: Pick<StoredAtom, 'state' | 'scannedBelow'>, highest: number): number {
  return atom.state === 'ready' ? 1 : Math.min(MOST_UNREADY, atom.scannedBelow / (highest + 1));
}

/**
 * An ATOM_BUILDING or ENVIRONMENT_LOADING error with how far the atoms or the backfill have come by now; any other error, and these while the database is away,
 * as it is.
 */
export async function withBuildProgress({ sql }: Database, environment: Environment, error: unknown): Promise<unknown> {
  if (error instanceof RollcallError && error.reason === 'ENVIRONMENT_LOADING')
    return withLoadProgress(sql, environment, error);
  if (!(error instanceof RollcallError) || error.reason !== 'ATOM_BUILDING' || error.metadata['atom'] === undefined)
    return error;
  const { atom, atoms = '1', atomsReady = '0' } = error.metadata;
  try {
    const [building, highest] = await Promise.all([
      findAtom(sql, environment, Number(atom)),
      highestOrdinal(sql, environment.id),
    ]);
    // It may be ready by now; what was asked could not know that.
    const share = building === undefined ? 0 : Math.min(MOST_UNREADY, builtShare(building, highest));
    const progress = ((Number(atomsReady) + share) / Number(atoms)).toFixed(3);
    return new RollcallError(error.reason, error.message, { metadata: { ...error.metadata, progress } });
  } catch {
    return error;
  }
}

async function withLoadProgress(sql: Sql, { id }: Environment, error: RollcallError): Promise<RollcallError> {
  const backfill = await newestBackfill(sql, id).catch(() => undefined);
  if (backfill === undefined || backfill.position === null || backfill.total === null || backfill.state !== 'running')
    return error;
  const progress = Math.min(MOST_UNREADY, backfill.position / Math.max(1, backfill.total)).toFixed(3);
  return new RollcallError(error.reason, error.message, { metadata: { ...error.metadata, progress } });
}

/** The atom with this id, the universe too; undefined where the environment has none. */
export async function findAtom(sql: Sql, environment: Environment, id: number): Promise<StoredAtom | undefined> {
  return id === UNIVERSE_ATOM_ID
    ? readUniverse(sql, environment.id)
    : (await readAtoms(sql, environment.id)).find((atom) => atom.id === id);
}
