import { chunkOf } from '../core/bitmap.js';
import { RollcallError } from '../core/errors.js';
import type { RevisionFlips } from '../core/flips.js';
import type { Sql } from '../storage/database.js';
import { readRevisions } from './replay.js';

/** Of an ordinal, the last revision that flipped it, negative where it was cleared. */
type LastFlips = Map<number, number>;

/** Flips that are held at once, in about 40 bytes each; folding keeps the log far shorter. */
const MAX_FLIPS = 4_000_000;

/** The last word of the log on each ordinal of each atom, read once while one snapshot after the other is looked at. */
export class LogTail {
  readonly #environmentId: number;
  /** By chunk, then by atom. */
  readonly #chunks = new Map<number, Map<number, LastFlips>>();
  #reached = -1;
  #held = 0;

  constructor(environmentId: number) {
    this.#environmentId = environmentId;
  }

  /** Reads on to `until`. What was flipped up to `after` is not needed any more. Throws BrokenLog, and CONFLICT where there is too much. */
  async readTo(sql: Sql, after: number, until: number): Promise<void> {
    if (after > this.#reached || until < this.#reached) {
      this.#chunks.clear();
      this.#held = 0;
      this.#reached = after;
    }
    for await (const { revision, flips } of readRevisions(sql, this.#environmentId, this.#reached, until)) {
      this.#note(revision, flips);
      this.#reached = revision;
      if (this.#held > MAX_FLIPS)
        throw new RollcallError('CONFLICT', 'the log is longer than can be verified; try again when it is folded');
    }
  }

  /** What was flipped of a chunk of an atom after `base`: each ordinal with whether it is set. */
  *flipsOf(atomId: number, chunk: number, base: number): Generator<readonly [ordinal: number, isSet: boolean]> {
    for (const [ordinal, revision] of this.#chunks.get(chunk)?.get(atomId) ?? [])
      if (Math.abs(revision) > base) yield [ordinal, revision > 0];
  }

  #note(revision: number, { atoms }: RevisionFlips): void {
    for (const [atomId, { set, cleared }] of atoms) {
      for (const ordinal of set) this.#last(atomId, ordinal).set(ordinal, revision);
      for (const ordinal of cleared) this.#last(atomId, ordinal).set(ordinal, -revision);
      this.#held += set.length + cleared.length;
    }
  }

  #last(atomId: number, ordinal: number): LastFlips {
    const chunk = chunkOf(ordinal);
    let atoms = this.#chunks.get(chunk);
    if (atoms === undefined) this.#chunks.set(chunk, (atoms = new Map<number, LastFlips>()));
    let flips = atoms.get(atomId);
    if (flips === undefined) atoms.set(atomId, (flips = new Map<number, number>()));
    return flips;
  }
}
