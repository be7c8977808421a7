import { RollcallError } from '../../core/errors.js';
import { OrdinalMode as OrdinalModeMessage, SourceKind } from '../../gen/rollcall/v1/environment_service_pb.js';
import type { EnvironmentSource, OrdinalMode } from '../../storage/environments.js';

const KINDS = {
  '': SourceKind.UNSPECIFIED,
  flagsmith: SourceKind.FLAGSMITH,
  dynamodb: SourceKind.DYNAMODB,
} satisfies Record<EnvironmentSource, SourceKind>;

/** Where each source's ordinals come from. */
const ORDINALS = { flagsmith: 'given', dynamodb: 'allotted' } satisfies Record<
  Exclude<EnvironmentSource, ''>,
  OrdinalMode
>;

export function sourceMessage(source: EnvironmentSource): SourceKind {
  return KINDS[source];
}

/** The source of a message. Throws INVALID_REQUEST where it is not known. */
export function sourceOf(kind: SourceKind): EnvironmentSource {
  switch (kind) {
    case SourceKind.UNSPECIFIED:
      return '';
    case SourceKind.FLAGSMITH:
      return 'flagsmith';
    case SourceKind.DYNAMODB:
      return 'dynamodb';
    default:
      throw new RollcallError('INVALID_REQUEST', 'the source is not known', { metadata: { field: 'source' } });
  }
}

/** The ordinal mode of a message; unspecified is that of the source. */
export function ordinalModeOf(mode: OrdinalModeMessage, source: EnvironmentSource): OrdinalMode {
  if (mode === OrdinalModeMessage.UNSPECIFIED) return source === '' ? 'allotted' : ORDINALS[source];
  return mode === OrdinalModeMessage.GIVEN ? 'given' : 'allotted';
}

/** Throws INVALID_REQUEST where an environment of this mode cannot be loaded from this source. */
export function checkSource(source: EnvironmentSource, mode: OrdinalMode): void {
  if (source === '' || ORDINALS[source] === mode) return;
  throw new RollcallError(
    'INVALID_REQUEST',
    `ordinals of environments that ${source} is the source of are ${ORDINALS[source]}, not ${mode}`,
    { metadata: { field: 'source' } },
  );
}
