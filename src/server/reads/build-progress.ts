import { RollcallError } from '../../core/errors.js';
import { UNIVERSE_ATOM_ID } from '../../core/flips.js';
import { readAtoms, readUniverse, type StoredAtom } from '../../storage/atoms.js';
import type { Database, Sql } from '../../storage/database.js';
import type { Environment } from '../../storage/environments.js';
import { highestOrdinal } from '../../storage/scans.js';

/** How much of an atom is built, 0 to 1; 1 only once it is ready. */
export function builtShare(atom: Pick<StoredAtom, 'state' | 'scannedBelow'>, highest: number): number {
  return atom.state === 'ready' ? 1 : Math.min(0.99, atom.scannedBelow / (highest + 1));
}

/** An ATOM_BUILDING error with how far its atoms have come by now; any other error, and this one while the database is away, as it is. */
export async function withBuildProgress({ sql }: Database, environment: Environment, error: unknown): Promise<unknown> {
  if (!(error instanceof RollcallError) || error.reason !== 'ATOM_BUILDING' || error.metadata['atom'] === undefined)
    return error;
  const { atom, atoms = '1', atomsReady = '0' } = error.metadata;
  try {
    const [building, highest] = await Promise.all([
      findAtom(sql, environment, Number(atom)),
      highestOrdinal(sql, environment.id),
    ]);
    const share = building === undefined ? 0 : builtShare(building, highest);
    const progress = ((Number(atomsReady) + share) / Number(atoms)).toFixed(3);
    return new RollcallError(error.reason, error.message, { metadata: { ...error.metadata, progress } });
  } catch {
    return error;
  }
}

/** The atom with this id, the universe too; undefined where the environment has none. */
export async function findAtom(sql: Sql, environment: Environment, id: number): Promise<StoredAtom | undefined> {
  return id === UNIVERSE_ATOM_ID
    ? readUniverse(sql, environment.id)
    : (await readAtoms(sql, environment.id)).find((atom) => atom.id === id);
}
