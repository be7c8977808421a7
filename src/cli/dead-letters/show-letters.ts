import { ErrorReason } from '../../gen/rollcall/v1/error_reason_pb.js';
import type { DeadLetter } from '../../gen/rollcall/v1/index_service_pb.js';
import { timeText } from '../format.js';
import type { Json } from '../json.js';
import { formatTable, printable } from '../table.js';

/** Keys and values as base64, since they may be anything; beside each its text where it is text. */
export function deadLetterJson(letter: DeadLetter): Json {
  const { id, cluster, topic, partition, offset, key, value, valueBytes, headers, explanation } = letter;
  return {
    id,
    cluster,
    topic,
    partition,
    offset,
    key: base64(key),
    keyText: textOf(key),
    value: base64(value),
    valueText: textOf(value),
    valueBytes,
    headers,
    messageAt: timeText(letter.messageAt),
    reason: ErrorReason[letter.reason],
    explanation,
    environment: letter.environment,
    identifier: letter.identifier,
    createdAt: timeText(letter.createdAt),
  };
}

export function deadLetterTable(letters: readonly DeadLetter[]): string {
  return formatTable(
    [
      { title: 'id', align: 'right' },
      { title: 'put aside' },
      { title: 'topic' },
      { title: 'partition:offset', align: 'right' },
      { title: 'identity' },
      { title: 'reason' },
      { title: 'explanation' },
    ],
    letters.map((letter) => [
      String(letter.id),
      timeText(letter.createdAt) ?? '',
      printable(letter.topic),
      `${letter.partition}:${letter.offset}`,
      printable(letter.identifier === '' ? (textOf(letter.key) ?? '') : `${letter.environment}:${letter.identifier}`),
      ErrorReason[letter.reason],
      printable(letter.explanation),
    ]),
  );
}

function base64(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('base64');
}

/** Undefined where the bytes are no text. */
function textOf(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
