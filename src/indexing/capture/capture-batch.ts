import { RollcallError } from '../../core/errors.js';
import type { CaptureWrites, WaitingCapture } from '../../storage/captures.js';
import type { KeyedChange } from '../decode.js';
import type { KafkaMessage } from '../kafka/message.js';
import {
  type CapturedMessage,
  claimOf,
  type IdentityRow,
  type LoadedCaptures,
  type RefusedMessage,
  type ResolvedMessage,
  type TraitRow,
  type WaitingRow,
} from './captured-messages.js';
import type { CapturedEnvironment, CapturedIdentity } from './captured-row.js';
import { type CapturedState, captureOf, putIdentity, putTrait, removeIdentity } from './identity-capture.js';

/**
 * Puts captured rows onto what is known, in order. An identity's row waits while its environment is unknown or its identifier is another's; a later row of the
 * same identity that need not wait takes its place. A trait's row waits for its identity and goes with it.
 */
export class CaptureBatch {
  readonly resolved: ResolvedMessage[] = [];
  readonly refused: RefusedMessage[] = [];
  readonly #known: LoadedCaptures;
  readonly #touchedEnvironments = new Set<number>();
  readonly #touchedIdentities = new Set<number>();
  readonly #released: { identityId: number; offset: number }[] = [];

  constructor(known: LoadedCaptures) {
    this.#known = known;
  }

  put({ message, row }: CapturedMessage): void {
    switch (row.table) {
      case 'environment':
        return row.after === undefined
          ? this.#removeEnvironment(row.before.id)
          : this.#putEnvironment(message, row.after);
      case 'identity':
        return row.after === undefined
          ? this.#removeIdentity(message, row.before.id)
          : this.#putOrKeepIdentity(message, row, row.after);
      case 'trait':
        for (const id of new Set([row.before?.identityId, row.after?.identityId]))
          if (id !== undefined) this.#putOrKeepTrait(message, row, id);
    }
  }

  /** Lets what need not wait any more go, of all identities that the batch knows of. */
  release(): void {
    let before: number;
    do {
      before = this.resolved.length;
      for (const id of this.#known.waiting.keys()) this.#releaseIdentity(id);
    } while (this.resolved.length > before);
  }

  /** What is to be written. */
  writes(): CaptureWrites {
    const { environments, states, waiting } = this.#known;
    const identities = [...this.#touchedIdentities];
    const sourceIds = [...this.#touchedEnvironments];
    return {
      environments: new Map([...environments].filter(([id]) => this.#touchedEnvironments.has(id))),
      removedEnvironments: sourceIds.filter((id) => !environments.has(id)),
      identities: identities.flatMap((id) => states.get(id) ?? []).map(captureOf),
      removedIdentities: identities.filter((id) => !states.has(id)),
      waiting: [...waiting].flatMap(([id, rows]) => rows.filter((row) => !row.isStored).map((row) => keptOf(id, row))),
      released: this.#released,
    };
  }

  /** The latest of its rows that can go makes the earlier ones out of date. */
  #releaseIdentity(id: number): void {
    for (const { message, row } of this.#waitingOf(id).toReversed()) {
      if (row.table !== 'identity' || row.after === undefined || !this.#canGo(row.after)) continue;
      this.#putIdentity(message, row.after);
      return;
    }
  }

  #putEnvironment(message: KafkaMessage, { id, environmentKey }: CapturedEnvironment): void {
    const known = this.#known.environments.get(id);
    if (known !== undefined && known !== environmentKey) {
      const text = `the key of the source's environment ${id} has changed: create the new environment here and let Debezium take a new snapshot`;
      this.refused.push({ message, error: new RollcallError('INVALID_REQUEST', text) });
      return;
    }
    this.#known.environments.set(id, environmentKey);
    this.#touchedEnvironments.add(id);
  }

  #removeEnvironment(id: number): void {
    this.#known.environments.delete(id);
    this.#touchedEnvironments.add(id);
  }

  #putOrKeepIdentity(message: KafkaMessage, row: IdentityRow, after: CapturedIdentity): void {
    if (this.#canGo(after)) this.#putIdentity(message, after);
    else this.#keep(after.id, message, row);
  }

  #canGo(after: CapturedIdentity): boolean {
    const environmentKey = this.#known.environments.get(after.environmentId);
    if (environmentKey === undefined) return false;
    const holder = this.#known.holders.get(claimOf(environmentKey, after.identifier));
    return holder === undefined || holder === after.id;
  }

  /** Earlier rows of the identity that still wait are out of date; traits that waited for it go. */
  #putIdentity(message: KafkaMessage, after: CapturedIdentity): void {
    const { environments, states } = this.#known;
    const earlier = states.get(after.id);
    const { state, changes } = putIdentity(earlier, environments.get(after.environmentId) ?? '', after);
    this.#replace(earlier, state);
    this.resolved.push({ message, changes: [...changes] });
    const waiting = this.#waitingOf(after.id).filter(
      ({ row, message: { offset } }) => row.table === 'trait' || offset <= message.offset,
    );
    this.#letGo(after.id, waiting);
    for (const { message: waited, row } of waiting)
      if (row.table === 'trait') this.#putOrKeepTrait(waited, row, after.id);
  }

  #removeIdentity(message: KafkaMessage, id: number): void {
    this.#letGo(id, this.#waitingOf(id));
    const earlier = this.#known.states.get(id);
    if (earlier === undefined) return;
    this.#replace(earlier, undefined);
    this.resolved.push({ message, changes: [removeIdentity(earlier)] });
  }

  #replace(earlier: CapturedState | undefined, state: CapturedState | undefined): void {
    const { states, holders } = this.#known;
    if (earlier !== undefined) {
      holders.delete(claimOf(earlier.environmentKey, earlier.identifier));
      states.delete(earlier.id);
      this.#touchedIdentities.add(earlier.id);
    }
    if (state === undefined) return;
    holders.set(claimOf(state.environmentKey, state.identifier), state.id);
    states.set(state.id, state);
    this.#touchedIdentities.add(state.id);
  }

  /** The part of a trait's row that is about one identity: a row may go from one to another. */
  #putOrKeepTrait(message: KafkaMessage, row: TraitRow, id: number): void {
    const { before, after } = row;
    const state = this.#known.states.get(id);
    if (state === undefined) {
      if (after?.identityId === id || this.#waitingOf(id).length > 0) this.#keep(id, message, row);
      return;
    }
    const changes: KeyedChange[] = [];
    const isSame = before?.identityId === after?.identityId && before?.key === after?.key;
    if (before?.identityId === id && !isSame) changes.push(...putTrait(state, before.key, null));
    if (after?.identityId === id) changes.push(...putTrait(state, after.key, after.text));
    if (state.systemTraits.size > 0) this.#touchedIdentities.add(id);
    if (changes.length > 0) this.resolved.push({ message, changes });
  }

  #keep(identityId: number, message: KafkaMessage, row: IdentityRow | TraitRow): void {
    const kept = { message, row, isStored: false };
    const rows = this.#known.waiting.get(identityId);
    if (rows === undefined) this.#known.waiting.set(identityId, [kept]);
    else rows.push(kept);
  }

  #letGo(identityId: number, rows: readonly WaitingRow[]): void {
    if (rows.length === 0) return;
    for (const { message, isStored } of rows) if (isStored) this.#released.push({ identityId, offset: message.offset });
    const gone = new Set(rows);
    const left = this.#waitingOf(identityId).filter((row) => !gone.has(row));
    this.#known.waiting.set(identityId, left);
  }

  #waitingOf(identityId: number): readonly WaitingRow[] {
    return this.#known.waiting.get(identityId) ?? [];
  }
}

function keptOf(identityId: number, { message, row }: WaitingRow): WaitingCapture {
  const { offset, key, value, timestampMs } = message;
  const wants = row.table === 'identity' && row.after !== undefined ? row.after : undefined;
  return { offset, identityId, wants, key, value, timestampMs };
}
