import { type Change, changeTraits, MAX_TRAITS_BYTES } from '../core/changes.js';
import { RollcallError } from '../core/errors.js';
import { joinTraits, splitTraits } from '../core/trait-text.js';
import type { StoredIdentity } from '../storage/identities.js';
import type { OrdinalMode } from '../storage/environments.js';

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

interface Working {
  readonly id: number;
  readonly before: IdentityState | undefined;
  after: IdentityState | undefined;
}

/**
 * The identities a batch is about, as they were locked and read, with the batch's changes put onto them in order: each ends in one
 * transition, however many changes it had. Deleted and created again within one batch, an allotted identity keeps its ordinal.
 */
export class WorkingSet {
  readonly #mode: OrdinalMode;
  readonly #allot: (identifier: string) => number;
  readonly #byId = new Map<number, Working>();
  readonly #idByIdentifier = new Map<string, number>();

  /** `allot` gives the ordinal of an identifier that no live identity has; always the same for the same one. */
  constructor(mode: OrdinalMode, live: readonly StoredIdentity[], allot: (identifier: string) => number) {
    this.#mode = mode;
    this.#allot = allot;
    for (const { id, identifier, traits } of live) {
      const state = { identifier, traits: splitTraits(traits) };
      this.#byId.set(id, { id, before: state, after: state });
      this.#idByIdentifier.set(identifier, id);
    }
  }

  /** Puts a change onto what is there by now; whether it changed anything. */
  put({ index, change }: NumberedChange): boolean {
    const known = this.#idByIdentifier.get(change.identifier);
    if (change.kind === 'delete') return this.#delete(change.identityId ?? known);
    const id = change.identityId ?? known ?? this.#allotOrRefuse(index, change.identifier);
    if (known !== undefined && known !== id) this.#delete(known);
    const working = this.#working(id);
    const traits = changeTraits(working.after?.traits ?? new Map(), change);
    checkTraitsSize(traits, index);
    const earlier = working.after;
    if (earlier !== undefined && earlier.identifier !== change.identifier)
      this.#idByIdentifier.delete(earlier.identifier);
    working.after = { identifier: change.identifier, traits };
    if (known !== id) this.#idByIdentifier.set(change.identifier, id);
    return !isSameState(earlier, working.after);
  }

  /** Every identity of the batch, by id. */
  transitions(): Transition[] {
    return [...this.#byId.values()].sort((a, b) => a.id - b.id);
  }

  /** The identifier leads to the id on, so that what is created again in the batch is the same identity. */
  #delete(id: number | undefined): boolean {
    const working = id === undefined ? undefined : this.#byId.get(id);
    if (working?.after === undefined) return false;
    working.after = undefined;
    return true;
  }

  #allotOrRefuse(index: number, identifier: string): number {
    if (this.#mode === 'allotted') return this.#allot(identifier);
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
export function isSameState(before: IdentityState | undefined, after: IdentityState | undefined): boolean {
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
