import { ordinalModeOf } from './environments.js';
import type { Intent } from './intent.js';

/** A message of the topic as the oracle's own consumer read it. */
export interface TopicMessage {
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly intent: Intent;
}

/** A live identity as it is to be stored. `id` where the source gives it. */
export interface ExpectedIdentity {
  readonly identifier: string;
  readonly id: number | undefined;
  readonly traits: ReadonlyMap<string, string>;
}

/** A message that is to be among the dead letters, and the reasons that may be given. */
export interface ExpectedLetter {
  readonly message: TopicMessage;
  readonly reasons: readonly string[];
}

const UNREADABLE = ['INVALID_REQUEST', 'INVALID_IDENTIFIER', 'INVALID_TRAIT', 'INVALID_MESSAGE'];

/**
 * What is to be stored after the first messages of each partition: one message after the other in the order of their offsets, by the simplest code there is. An identity
 * has all its messages in one partition, so partitions can be read in any order.
 */
export class ExpectedState {
  /** By environment, then identifier. */
  readonly identities = new Map<string, Map<string, ExpectedIdentity>>();
  readonly letters = new Map<string, ExpectedLetter>();
  /** Identities of which a message was skipped and no whole state came since, by environment. */
  readonly quarantined = new Map<string, Set<string>>();
  readonly #next = new Map<number, number>();

  /** How many messages of a partition are in it. */
  nextOffset(partition: number): number {
    return this.#next.get(partition) ?? 0;
  }

  add(message: TopicMessage): void {
    if (message.offset !== this.nextOffset(message.partition)) throw new Error('the oracle missed a message');
    this.#next.set(message.partition, message.offset + 1);
    const { intent } = message;
    const reasons = this.#reasonsToRefuse(intent);
    if (reasons !== undefined) this.#refuse(message, reasons);
    else if (intent.kind !== 'garbage') this.#apply(intent);
  }

  #reasonsToRefuse(intent: Intent): readonly string[] | undefined {
    if (intent.kind === 'garbage') return UNREADABLE;
    const mode = ordinalModeOf(intent.environment);
    if (mode === undefined) return ['ENVIRONMENT_NOT_FOUND'];
    if (mode === 'allotted') return intent.id === undefined ? undefined : ['IDENTITY_ID_NOT_ALLOWED'];
    const isNew = this.#of(intent.environment).get(intent.identifier) === undefined;
    return isNew && intent.id === undefined && intent.kind !== 'delete' ? ['IDENTITY_ID_REQUIRED'] : undefined;
  }

  #refuse(message: TopicMessage, reasons: readonly string[]): void {
    this.letters.set(`${message.partition}:${message.offset}`, { message, reasons });
    const { intent } = message;
    const identity = intent.kind === 'garbage' ? intent.identity : intent;
    if (identity === undefined || ordinalModeOf(identity.environment) === undefined) return;
    setOf(this.quarantined, identity.environment).add(identity.identifier);
  }

  #apply(intent: Exclude<Intent, { kind: 'garbage' }>): void {
    const identities = this.#of(intent.environment);
    const { identifier } = intent;
    const before = identities.get(identifier);
    if (intent.kind !== 'set_traits') setOf(this.quarantined, intent.environment).delete(identifier);
    if (intent.kind === 'delete') {
      if (intent.id === undefined || intent.id === before?.id) identities.delete(identifier);
      return;
    }
    const id = intent.id ?? before?.id;
    const keeps = intent.kind === 'set_traits' && before !== undefined && before.id === id;
    const traits = new Map<string, string>(keeps ? before.traits : []);
    for (const [key, text] of Object.entries(intent.traits)) {
      if (text === null) traits.delete(key);
      else traits.set(key, text);
    }
    identities.set(identifier, { identifier, id, traits });
  }

  #of(environment: string): Map<string, ExpectedIdentity> {
    let identities = this.identities.get(environment);
    if (identities === undefined) this.identities.set(environment, (identities = new Map<string, ExpectedIdentity>()));
    return identities;
  }
}

function setOf(sets: Map<string, Set<string>>, key: string): Set<string> {
  let set = sets.get(key);
  if (set === undefined) sets.set(key, (set = new Set<string>()));
  return set;
}
