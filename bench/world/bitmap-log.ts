import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { type AtomFlips, encodeFlips, UNIVERSE_ATOM_ID } from '../../src/core/flips.js';
import { inTransaction } from '../../src/storage/database.js';
import { readAtoms } from '../../src/storage/atoms.js';
import { takeRevision } from '../../src/storage/environments.js';
import type { BitmapWorld } from './bitmaps.js';

/** What was logged. */
export interface WrittenLog {
  readonly revisions: number;
  readonly flips: number;
  readonly bytes: number;
  /** The last word on each ordinal that was flipped, by atom. */
  readonly last: ReadonlyMap<number, ReadonlyMap<number, boolean>>;
}

/** Changes of one revision; each flips two atoms or three. */
export const CHANGES_PER_REVISION = 500;
const SEED = 4_711;

/** Logs revisions of changes of identities drawn uniformly, as appliers do but for the identities' rows. */
export async function writeLog(bitmaps: BitmapWorld, revisions: number): Promise<WrittenLog> {
  const { database, environment, universe } = bitmaps;
  const atomIds = (await readAtoms(database.sql, environment.id))
    .map(({ id }) => id)
    .filter((id) => id !== UNIVERSE_ATOM_ID);
  const random = xoroshiro128plus(SEED);
  const last = new Map<number, Map<number, boolean>>(atomIds.map((id) => [id, new Map<number, boolean>()]));
  let flips = 0;
  let bytes = 0;
  for (let revision = 0; revision < revisions; revision++) {
    const drawn = new Map<number, Map<number, boolean>>();
    for (let change = 0; change < CHANGES_PER_REVISION; change++) {
      const ordinal = universe.at(uniformInt(random, 0, universe.size - 1)) ?? 0;
      for (let flip = uniformInt(random, 2, 3); flip > 0; flip--) {
        const atomId = atomIds[uniformInt(random, 0, atomIds.length - 1)] ?? 0;
        const ofAtom = drawn.get(atomId) ?? new Map<number, boolean>();
        drawn.set(atomId, ofAtom.set(ordinal, uniformInt(random, 0, 1) === 1));
      }
    }
    for (const [atomId, ofAtom] of drawn)
      for (const [ordinal, isSet] of ofAtom) {
        last.get(atomId)?.set(ordinal, isSet);
        flips++;
      }
    const payload = encodeFlips({
      catalogChanged: false,
      atoms: new Map([...drawn].map(([id, own]) => [id, sorted(own)])),
    });
    bytes += payload.length;
    await inTransaction(database, { isolation: 'read committed' }, (tx) =>
      takeRevision(tx, environment.id, payload, false),
    );
  }
  return { revisions, flips, bytes, last };
}

function sorted(ofAtom: ReadonlyMap<number, boolean>): AtomFlips {
  const of = (wanted: boolean): number[] =>
    [...ofAtom]
      .filter(([, isSet]) => isSet === wanted)
      .map(([ordinal]) => ordinal)
      .sort((a, b) => a - b);
  return { set: of(true), cleared: of(false) };
}
