import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ErrorReason } from '../../gen/rollcall/v1/error_reason_pb.js';
import type {
  DeadLetterFilter as FilterMessage,
  DeadLetterIds,
  DeadLetterSchema,
  FailedReplaySchema,
} from '../../gen/rollcall/v1/index_service_pb.js';
import type { FailedReplay } from '../../indexing/dead-letters/replay-dead-letters.js';
import type { DeadLetterFilter, DeadLetterSelection, ShownDeadLetter } from '../../storage/dead-letter-selection.js';
import { reasonMessage } from './reason-messages.js';

/** A filter as storage knows it; none lets all through. */
export function readFilter(filter: FilterMessage | undefined): DeadLetterFilter {
  const { environment = '', topic = '', reason = ErrorReason.UNSPECIFIED } = filter ?? {};
  return {
    environmentKey: environment,
    topic,
    reason: reason === ErrorReason.UNSPECIFIED ? '' : ErrorReason[reason],
  };
}

/** The selection of a request that has exactly one. */
export function readSelection(
  selection:
    | { readonly case: 'ids'; readonly value: DeadLetterIds }
    | { readonly case: 'filter'; readonly value: FilterMessage }
    | { readonly case: undefined },
): DeadLetterSelection {
  if (selection.case === 'ids') return { kind: 'ids', ids: selection.value.ids.map(Number) };
  return { kind: 'filter', ...readFilter(selection.case === 'filter' ? selection.value : undefined) };
}

export function deadLetterMessage(letter: ShownDeadLetter): MessageInitShape<typeof DeadLetterSchema> {
  return {
    id: BigInt(letter.id),
    cluster: letter.cluster,
    topic: letter.topic,
    partition: letter.partition,
    offset: BigInt(letter.offset),
    ...(letter.key === null ? {} : { key: letter.key }),
    ...(letter.value === null ? {} : { value: letter.value }),
    valueBytes: BigInt(letter.valueBytes),
    headers: { ...letter.headers },
    messageAt: timestampFromDate(letter.messageAt),
    reason: reasonMessage(letter.reason),
    explanation: letter.explanation,
    environment: letter.environmentKey,
    identifier: letter.identifier,
    createdAt: timestampFromDate(letter.createdAt),
  };
}

export function failedReplayMessage({ id, error }: FailedReplay): MessageInitShape<typeof FailedReplaySchema> {
  return { id: BigInt(id), reason: ErrorReason[error.reason], explanation: error.message };
}
