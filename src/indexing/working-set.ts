import { type Change, MAX_TRAITS_BYTES } from '../core/changes.js';
import { RollcallError } from '../core/errors.js';
import { OverlaidTraits } from '../core/overlaid-traits.js';
import { joinTraits, splitTraits } from '../core/trait-text.js';
import type { Environment, OrdinalMode } from '../storage/environments.js';
import type { FoundIdentity } from '../storage/identities.js';

/** A change with its place in what the caller sent, for errors. */
export interface NumberedChange {
  readonly index: number;
  readonly change: Change;
}

/** An identity as it was found and as the batch leaves it; `undefined` where it does not exist. */
export interface Transition {
  readonly id: number;
  readonly before: IdentityState | undefined;
  readonly after: ChangedState | undefined;
}

export interface IdentityState {
  readonly identifier: string;
  readonly keyOverride: string | undefined;
  readonly traits: ReadonlyMap<string, string>;
}

/** Its traits lie over those before; where the identity was not there, over none. */
export interface ChangedState extends IdentityState {
  readonly traits: OverlaidTraits;
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
  const changed = working.transitions().filter(isDifferent);
  return { changed, unchanged, refused };
}

interface Working {
  readonly id: number;
  readonly before: IdentityState | undefined;
  /** Of the text of the traits before. */
  readonly beforeLength: number;
  after: ChangedState | undefined;
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

  constructor(mode: OrdinalMode, live: readonly FoundIdentity[], ordinals: ReadonlyMap<string, number>) {
    this.#mode = mode;
    this.#ordinals = ordinals;
    for (const { id, identifier, traits, keyOverride: stored } of live) {
      const keyOverride = stored ?? undefined;
      const before = { identifier, keyOverride, traits: splitTraits(traits) };
      const after = { identifier, keyOverride, traits: new OverlaidTraits(before.traits) };
      this.#byId.set(id, { id, before, beforeLength: traits.length, after });
      this.#idByIdentifier.set(identifier, id);
    }
  }

  /** Puts a change onto what is there by now; whether it changed anything. Throws, having done nothing, where it cannot be applied. */
  put({ index, change }: NumberedChange): boolean {
    const known = this.#known(change.identifier);
    if (change.kind === 'delete') return this.#delete(change.identityId ?? known);
    const id = change.identityId ?? this.#ifThere(known) ?? this.#ordinalOrRefuse(index, change.identifier);
    const working = this.#working(id);
    const earlier = working.after;
    const traits = (earlier?.traits ?? OverlaidTraits.without(working.before?.traits ?? NO_TRAITS)).changedBy(change);
    checkTraitsSize(traits, working.beforeLength, index);
    if (known !== undefined && known !== id) this.#delete(known);
    if (known !== id) this.#identify(id, change.identifier, earlier?.identifier);
    const { identifier, keyOverride = earlier?.keyOverride } = change;
    if (earlier?.traits === traits && earlier.identifier === identifier && earlier.keyOverride === keyOverride)
      return false;
    working.after = { identifier, keyOverride, traits };
    return true;
  }

  /** The identifier leads to the id from now on, and the one it had to nothing. */
  #identify(id: number, identifier: string, earlier: string | undefined): void {
    if (earlier !== undefined && earlier !== identifier) this.#idByIdentifier.delete(earlier);
    this.#idByIdentifier.set(identifier, id);
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
    if (working === undefined)
      this.#byId.set(id, (working = { id, before: undefined, beforeLength: 0, after: undefined }));
    return working;
  }
}

const NO_TRAITS: ReadonlyMap<string, string> = new Map();

/** Whether any answer can tell the two states apart. */
function isDifferent({ before, after }: Transition): boolean {
  if (before === undefined || after === undefined) return before !== after;
  return (
    before.identifier !== after.identifier ||
    before.keyOverride !== after.keyOverride ||
    after.traits.differences.size > 0
  );
}

/** `beforeLength` is that of the text that the traits lie over. */
function checkTraitsSize(traits: OverlaidTraits, beforeLength: number, index: number): void {
  const atMost = beforeLength + 2 + traits.lengthOfDifferences;
  if (atMost * 3 <= MAX_TRAITS_BYTES || Buffer.byteLength(joinTraits(traits)) <= MAX_TRAITS_BYTES) return;
  throw new RollcallError('INVALID_TRAIT', `the traits of an identity take more than ${MAX_TRAITS_BYTES} bytes`, {
    metadata: { index: String(index) },
  });
}
