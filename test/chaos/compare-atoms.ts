import type { IdentityView } from '../../src/core/properties/properties.js';
import { UNIVERSE_ATOM_ID } from '../../src/core/flips.js';
import type { StoredAtom } from '../../src/storage/atoms.js';
import { isAtomTrue } from '../helpers/oracle.js';
import type { EnvironmentSnapshot } from './snapshot.js';

/** The identities of a snapshot as conditions see them. */
export function viewsOf({ environment, rows }: EnvironmentSnapshot): IdentityView[] {
  const isOrdinal = environment.identityKeyMode === 'id' && environment.ordinalMode === 'given';
  return rows.map(({ id, identifier, traits }) => {
    const key = isOrdinal ? String(id) : `${environment.key}_${identifier}`;
    return { id, identifier, key, traits };
  });
}

/** The ordinals of the identities of which an atom, or the universe, is true; ascending. */
export function expectedOrdinals(
  snapshot: EnvironmentSnapshot,
  views: readonly IdentityView[],
  atom: StoredAtom | undefined,
): number[] {
  const { environment } = snapshot;
  const members =
    atom === undefined ? views : views.filter((view) => isAtomTrue(atom.definition, view, { environment }));
  return members.map(({ id }) => id);
}

/** Which bitmaps of a snapshot differ from their predicates over the identities of that very snapshot (I1, I4, I11). */
export function compareAtoms(snapshot: EnvironmentSnapshot): string[] {
  const problems: string[] = [];
  const views = viewsOf(snapshot);
  const live = new Set(snapshot.rows.map(({ id }) => id));
  const doubled = snapshot.tombstones.filter((id) => live.has(id));
  if (doubled.length > 0)
    problems.push(`${snapshot.environment.key}: ordinals of two identities: ${doubled.join(', ')}`);
  for (const [id, bitmap] of snapshot.bitmaps) {
    const atom = snapshot.atoms.find((known) => known.id === id);
    if (atom === undefined && id !== UNIVERSE_ATOM_ID) continue;
    const expected = new Set(expectedOrdinals(snapshot, views, atom));
    const wrong = [...expected].filter((ordinal) => !bitmap.has(ordinal)).map((ordinal) => `+${ordinal}`);
    const superfluous = [...bitmap].filter((ordinal) => !expected.has(ordinal)).map((ordinal) => `-${ordinal}`);
    const difference = [...wrong, ...superfluous];
    if (difference.length === 0) continue;
    const name = atom === undefined ? 'the universe' : JSON.stringify(atom.definition);
    problems.push(
      `${snapshot.environment.key} at ${snapshot.revision}: ${name} lacks or has too much: ${difference.slice(0, 10).join(' ')}`,
    );
  }
  return problems;
}
