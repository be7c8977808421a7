import type { Change } from '../../core/changes.js';
import { RollcallError } from '../../core/errors.js';
import type { CapturedRow } from '../capture/captured-row.js';
import { decodeMessage } from './decode-message.js';
import type { KafkaMessage } from './message.js';

/** A change with the message it came from. */
export interface MessageChange {
  readonly message: KafkaMessage;
  readonly environmentKey: string;
  readonly change: Change;
}

export interface MessageRow {
  readonly message: KafkaMessage;
  readonly row: CapturedRow;
}

/** A message that is skipped, and why. */
export interface SkippedMessage {
  readonly message: KafkaMessage;
  readonly error: RollcallError;
  /** What it would have changed, where that could be read. */
  readonly change?: { readonly environmentKey: string; readonly identifier: string };
}

/** What the messages of a slice hold, each list in their order. */
export interface DecodedSlice {
  readonly changes: readonly MessageChange[];
  readonly captured: readonly MessageRow[];
  readonly skipped: readonly SkippedMessage[];
}

/** Decodes messages. Whatever a decoder throws makes its message a skipped one. */
export function decodeSlice(messages: readonly KafkaMessage[]): DecodedSlice {
  const changes: MessageChange[] = [];
  const captured: MessageRow[] = [];
  const skipped: SkippedMessage[] = [];
  for (const message of messages) {
    try {
      const decoded = decodeMessage(message);
      if (decoded.kind === 'change')
        changes.push({ message, environmentKey: decoded.environmentKey, change: decoded.change });
      else if (decoded.kind === 'captured') captured.push({ message, row: decoded.row });
    } catch (error) {
      skipped.push({ message, error: asRollcallError(error) });
    }
  }
  return { changes, captured, skipped };
}

/**
 * Merges changes of plain messages with those that captured rows came to. Both keep their order; a change that had waited since an earlier offset goes
 * with the row that set it free.
 */
export function mergeChanges(
  plain: readonly MessageChange[],
  resolved: readonly { readonly message: KafkaMessage; readonly changes: readonly Omit<MessageChange, 'message'>[] }[],
): readonly MessageChange[] {
  if (resolved.length === 0) return plain;
  const merged: MessageChange[] = [];
  let at = 0;
  let reached = -1;
  for (const { message, changes } of resolved) {
    reached = Math.max(reached, message.offset);
    for (let next = plain[at]; next !== undefined && next.message.offset < reached; next = plain[++at])
      merged.push(next);
    for (const change of changes) merged.push({ message, ...change });
  }
  merged.push(...plain.slice(at));
  return merged;
}

function asRollcallError(error: unknown): RollcallError {
  if (error instanceof RollcallError) return error;
  return new RollcallError('INVALID_REQUEST', 'the message cannot be read', { cause: error });
}
