import type { RollcallError } from '../../core/errors.js';
import type { KeyedChange } from '../decode.js';
import type { KafkaMessage } from '../kafka/message.js';
import type { CapturedRow } from './captured-row.js';
import type { CapturedState } from './identity-capture.js';

export type IdentityRow = Extract<CapturedRow, { table: 'identity' }>;
export type TraitRow = Extract<CapturedRow, { table: 'trait' }>;

/** A row with the message that brought it. */
export interface CapturedMessage {
  readonly message: KafkaMessage;
  readonly row: CapturedRow;
}

/** A row that waits; `isStored` since an earlier batch. */
export interface WaitingRow {
  readonly message: KafkaMessage;
  readonly row: IdentityRow | TraitRow;
  readonly isStored: boolean;
}

/** What is known of that which a batch is about. */
export interface LoadedCaptures {
  /** Keys by the source's ids. */
  readonly environments: Map<number, string>;
  readonly states: Map<number, CapturedState>;
  /** Which captured identity has an identifier, by `claimOf`. */
  readonly holders: Map<string, number>;
  /** By identity, in order of offset. */
  readonly waiting: Map<number, WaitingRow[]>;
}

/** The changes that a message came to, in order. */
export interface ResolvedMessage {
  readonly message: KafkaMessage;
  readonly changes: KeyedChange[];
}

/** A message that cannot be used, and why. */
export interface RefusedMessage {
  readonly message: KafkaMessage;
  readonly error: RollcallError;
}

/** An identifier in an environment, as one text. */
export function claimOf(environmentKey: string, identifier: string): string {
  return `${environmentKey}\0${identifier}`;
}
