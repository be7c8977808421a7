import type { MessageInitShape } from '@bufbuild/protobuf';
import { RollcallError } from '../../core/errors.js';
import type { ImportOutcome, PlannedSegment } from '../../core/import/plan-import.js';
import type { Dialect } from '../../core/segments.js';
import {
  DocumentFormat,
  type ImportedSegmentSchema,
  ImportOutcome as OutcomeMessage,
} from '../../gen/rollcall/v1/segment_service_pb.js';

/** The dialect of a document's segments; undefined where its shape is to tell. */
export function formatOf(format: DocumentFormat): Dialect | undefined {
  switch (format) {
    case DocumentFormat.UNSPECIFIED:
      return undefined;
    case DocumentFormat.FLAGSMITH:
      return 'flagsmith';
    case DocumentFormat.LITESTAR:
      return 'litestar';
    case DocumentFormat.MOZHNO:
      return 'mozhno';
    default:
      throw new RollcallError('INVALID_REQUEST', 'the format is not known', { metadata: { field: 'format' } });
  }
}

const OUTCOMES = {
  created: OutcomeMessage.CREATED,
  updated: OutcomeMessage.UPDATED,
  unchanged: OutcomeMessage.UNCHANGED,
} satisfies Record<ImportOutcome, OutcomeMessage>;

/** What became of a segment, as it goes to callers. */
export function importedMessage({
  key,
  name,
  outcome,
  definition,
}: PlannedSegment): MessageInitShape<typeof ImportedSegmentSchema> {
  const { enabled, disabledReason = '' } = definition;
  return { key, name, outcome: OUTCOMES[outcome], enabled, disabledReason };
}
