import type { NewDeadLetter } from '../../storage/dead-letters.js';
import type { RefusedChange } from '../applier.js';
import type { MessageChange, SkippedMessage } from './decode-slice.js';
import { identityOfKey } from './decode-message.js';

/** An identity by its names outside. */
export interface IdentityName {
  readonly environmentKey: string;
  readonly identifier: string;
}

/** One skipped message for each message of which a change was refused: the first refusal counts. `changes` is what the refusals' indices are of. */
export function skippedOf(changes: readonly MessageChange[], refused: readonly RefusedChange[]): SkippedMessage[] {
  const byOffset = new Map<number, SkippedMessage>();
  for (const { index, environmentKey, change, error } of refused) {
    const message = changes[index]?.message;
    if (message === undefined || byOffset.has(message.offset)) continue;
    byOffset.set(message.offset, { message, error, change: { environmentKey, identifier: change.identifier } });
  }
  return [...byOffset.values()];
}

/** The dead letters of skipped messages of a cluster. */
export function deadLettersOf(cluster: string, skipped: readonly SkippedMessage[]): NewDeadLetter[] {
  return skipped.map(({ message, error, change }) => {
    const { environmentKey, identifier } = change ??
      identityOfKey(message.key) ?? { environmentKey: '', identifier: '' };
    return {
      cluster,
      topic: message.topic,
      partition: message.partition,
      offset: message.offset,
      key: message.key,
      value: message.value,
      headers: Object.fromEntries(message.headers),
      timestampMs: message.timestampMs,
      reason: error.reason,
      explanation: error.message,
      environmentKey,
      identifier,
    };
  });
}

/**
 * The identities that are not what their source has once the slice is applied: a message of theirs was skipped, and none that brings a full state or a
 * deletion came after it in the slice.
 */
export function identitiesToQuarantine(
  skipped: readonly SkippedMessage[],
  changes: readonly MessageChange[],
  refused: readonly RefusedChange[],
): IdentityName[] {
  const lastSkipped = new Map<string, IdentityName & { readonly offset: number }>();
  for (const { message, change } of skipped) {
    const name = change ?? identityOfKey(message.key);
    if (name === undefined || name.identifier === '' || name.identifier.includes('\0')) continue;
    const key = keyOf(name);
    const offset = Math.max(message.offset, lastSkipped.get(key)?.offset ?? -1);
    lastSkipped.set(key, { ...name, offset });
  }
  const left = new Set(refused.map(({ index }) => index));
  for (const [index, { message, environmentKey, change }] of changes.entries()) {
    if (lastSkipped.size === 0) break;
    if (change.kind === 'set_traits' || left.has(index)) continue;
    const key = keyOf({ environmentKey, identifier: change.identifier });
    if (message.offset > (lastSkipped.get(key)?.offset ?? Infinity)) lastSkipped.delete(key);
  }
  return [...lastSkipped.values()];
}

function keyOf({ environmentKey, identifier }: IdentityName): string {
  return JSON.stringify([environmentKey, identifier]);
}
