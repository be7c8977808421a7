import type { MessageInitShape } from '@bufbuild/protobuf';
import { RollcallError } from '../../core/errors.js';
import {
  type AdoptionFailureSchema,
  AdoptionOutcome as OutcomeMessage,
  type EnvironmentServiceAdoptFlagsmithResponseSchema,
} from '../../gen/rollcall/v1/environment_service_pb.js';
import type { AdoptedProject } from '../sources/adopt-flagsmith.js';
import type { AdoptionOutcome } from '../sources/adoption.js';
import { importedMessage } from './import-messages.js';
import { reasonMessage } from './reason-messages.js';

const OUTCOMES = {
  created: OutcomeMessage.CREATED,
  updated: OutcomeMessage.UPDATED,
  unchanged: OutcomeMessage.UNCHANGED,
} satisfies Record<AdoptionOutcome, OutcomeMessage>;

/** What became of a project of Flagsmith's, as it goes to callers. */
export function adoptedMessage({
  project,
  organisation,
  environments,
  segments,
  segmentsFailure,
}: AdoptedProject): MessageInitShape<typeof EnvironmentServiceAdoptFlagsmithResponseSchema> {
  return {
    project: String(project.id),
    projectName: project.name,
    organisation: {
      key: String(organisation.id),
      name: organisation.name,
      outcome: OUTCOMES[organisation.outcome],
    },
    environments: environments.map(({ key, name, outcome }) =>
      outcome instanceof RollcallError
        ? { key, name, outcome: OutcomeMessage.FAILED, failure: failureMessage(outcome) }
        : { key, name, outcome: OUTCOMES[outcome] },
    ),
    segments: segments.map(importedMessage),
    ...(segmentsFailure === undefined ? {} : { segmentsFailure: failureMessage(segmentsFailure) }),
  };
}

function failureMessage({ reason, message }: RollcallError): MessageInitShape<typeof AdoptionFailureSchema> {
  return { reason: reasonMessage(reason), explanation: message };
}
