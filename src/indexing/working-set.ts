import { type Change, changeTraits, MAX_TRAITS_BYTES } from '../core/changes.js';
import { RollcallError } from '../core/errors.js';
import { joinTraits, splitTraits } from '../core/trait-text.js';
import type { Environment, OrdinalMode } from '../storage/environments.js';
import type { FoundIdentity, StoredIdentity } from '../storage/identities.js';

/** A change with its place in what the caller sent, for errors. */
export interface NumberedChange {
  readonly index: number;
  readonly change: Change;
}

/** An identity as it was found and as the batch leaves it; `undefined` where it does not exist. */
export interface Transition {
  readonly id: number;
  readonly before: IdentityState | undefined;
  readonly after: IdentityState | undefined;
}

export interface IdentityState {
  readonly identifier: string;
  readonly traits: ReadonlyMap<string, string>;
}

/**
 * Changes of a batch that have no identity in common with its others, with the rows that were read for them, tombstones too, and the ordinals of the
 * identifiers that no live identity has.
 */
export interface Part {
  readonly changes: readonly NumberedChange[];
  readonly rows: readonly FoundIdentity[];
  readonly ordinals: ReadonlyMap<string, number>;
}

/** A change that cannot be applied, and why. */
export interface Refusal extends NumberedChange {
  readonly error: RollcallError;
}

/** What becomes of the identities of a part. */
export interface Coalesced {
  /** The identities that differ in the end, in no order. */
  readonly changed: readonly Transition[];
  /** How many changes changed nothing. */
  readonly unchanged: number;
  /** Changes that were left out. */
  readonly refused: readonly Refusal[];
}

/** Puts the changes of a part onto its rows, in order. The same each time. */
export function coalesce(
  { ordinalMode }: Pick<Environment, 'ordinalMode'>,
  { changes, rows, ordinals }: Part,
): Coalesced {
  const live = rows.filter(({ isLive }) => isLive);
  const working = new WorkingSet(ordinalMode, live, ordinals);
  const refused: Refusal[] = [];
  let unchanged = 0;
  for (const change of changes) {
    try {
      if (!working.put(change)) unchanged++;
    } catch (error) {
      if (!(error instanceof RollcallError)) throw error;
      refused.push({ ...change, error });
    }
  }
  const changed = working.transitions().filter(({ before, after }) => !isSameState(before, after));
  return { changed, unchanged, refused };
}

interface Working {
  readonly id: number;
  readonly before: IdentityState | undefined;
  after: IdentityState | undefined;
}

/**
 * The identities a batch is about, as they were read, with the batch's changes put onto them in order: each ends in one
 * transition, however many changes it had. Deleted and created again within one batch, an allotted identity keeps its ordinal.
 */
class WorkingSet {
  readonly #mode: OrdinalMode;
  readonly #ordinals: ReadonlyMap<string, number>;
  readonly #byId = new Map<number, Working>();
  readonly #idByIdentifier = new Map<string, number>();

  constructor(mode: OrdinalMode, live: readonly StoredIdentity[], ordinals: ReadonlyMap<string, number>) {
    this.#mode = mode;
    this.#ordinals = ordinals;
    for (const { id, identifier, traits } of live) {
      const state = { identifier, traits: splitTraits(traits) };
      this.#byId.set(id, { id, before: state, after: state });
      this.#idByIdentifier.set(identifier, id);
    }
  }

  /** Puts a change onto what is there by now; whether it changed anything. Throws, having done nothing, where it cannot be applied. */
  put({ index, change }: NumberedChange): boolean {
    const known = this.#known(change.identifier);
    if (change.kind === 'delete') return this.#delete(change.identityId ?? known);
    const id = change.identityId ?? this.#ifThere(known) ?? this.#ordinalOrRefuse(index, change.identifier);
    const working = this.#working(id);
    const traits = changeTraits(working.after?.traits ?? new Map(), change);
    checkTraitsSize(traits, index);
    if (known !== undefined && known !== id) this.#delete(known);
    const earlier = working.after;
    if (earlier !== undefined && earlier.identifier !== change.identifier)
      this.#idByIdentifier.delete(earlier.identifier);
    working.after = { identifier: change.identifier, traits };
    if (known !== id) this.#idByIdentifier.set(change.identifier, id);
    return !isSameState(earlier, working.after);
  }

  /** Every identity of the batch. */
  transitions(): Transition[] {
    return [...this.#byId.values()];
  }

  /** The identity that has this identifier, or had it when the batch deleted it; not one that has come to another since. */
  #known(identifier: string): number | undefined {
    const id = this.#idByIdentifier.get(identifier);
    const now = id === undefined ? undefined : this.#byId.get(id)?.after;
    return now === undefined || now.identifier === identifier ? id : undefined;
  }

  /** The identifier leads to the id on, so that what is created again in the batch is the same identity. */
  #delete(id: number | undefined): boolean {
    const working = id === undefined ? undefined : this.#byId.get(id);
    if (working?.after === undefined) return false;
    working.after = undefined;
    return true;
  }

  /** Where ids are given, an identity that this batch deleted needs one again, as it would in the next batch. */
  #ifThere(id: number | undefined): number | undefined {
    const isGone = this.#mode === 'given' && id !== undefined && this.#byId.get(id)?.after === undefined;
    return isGone ? undefined : id;
  }

  #ordinalOrRefuse(index: number, identifier: string): number {
    const ordinal = this.#ordinals.get(identifier);
    if (ordinal !== undefined) return ordinal;
    if (this.#mode === 'allotted') throw new RollcallError('INTERNAL', 'no ordinal was allotted');
    throw new RollcallError(
      'IDENTITY_ID_REQUIRED',
      'a new identity needs its id: this environment takes ordinals from the source',
      {
        metadata: { index: String(index) },
      },
    );
  }

  #working(id: number): Working {
    let working = this.#byId.get(id);
    if (working === undefined) this.#byId.set(id, (working = { id, before: undefined, after: undefined }));
    return working;
  }
}

/** Whether two states, of which one or both may not exist, are the same to every answer. */
function isSameState(before: IdentityState | undefined, after: IdentityState | undefined): boolean {
  if (before === after) return true;
  if (before === undefined || after === undefined) return false;
  if (before.identifier !== after.identifier || before.traits.size !== after.traits.size) return false;
  for (const [key, text] of after.traits) if (before.traits.get(key) !== text) return false;
  return true;
}

function checkTraitsSize(traits: ReadonlyMap<string, string>, index: number): void {
  let bytes = 2;
  for (const [key, text] of traits) bytes += key.length + text.length + 6;
  if (bytes * 3 <= MAX_TRAITS_BYTES || Buffer.byteLength(joinTraits(traits)) <= MAX_TRAITS_BYTES) return;
  throw new RollcallError('INVALID_TRAIT', `the traits of an identity take more than ${MAX_TRAITS_BYTES} bytes`, {
    metadata: { index: String(index) },
  });
}
