import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { pathToString } from '@bufbuild/protobuf/reflect';
import { createValidator } from '@bufbuild/protovalidate';
import type { Violation } from '@bufbuild/protovalidate';
import { RollcallError } from '../../core/errors.js';
import type { ErrorReason } from '../../core/errors.js';

const validator = createValidator({ failFast: true });

/**
 * Checks the constraints that the contract states beside its fields.
 *
 * @throws RollcallError for the first that is broken, with `field` and the given metadata: INVALID_IDENTIFIER for an
 *   identifier, INVALID_TRAIT for a trait's value, else INVALID_REQUEST.
 */
export function checkMessage<D extends DescMessage>(
  schema: D,
  message: MessageShape<D>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const result = validator.validate(schema, message);
  if (result.kind === 'valid') return;
  if (result.kind === 'error')
    throw new RollcallError('INTERNAL', 'a constraint failed to run', { cause: result.error });
  const [violation] = result.violations;
  throw violation === undefined
    ? new RollcallError('INVALID_REQUEST', 'the request is not valid', { metadata })
    : violationError(violation, metadata);
}

function violationError(violation: Violation, metadata: Readonly<Record<string, string>>): RollcallError {
  const field = pathToString(violation.field);
  const text = field === '' ? violation.message : `${field}: ${violation.message}`;
  return new RollcallError(reasonOf(violation), text, { metadata: { ...metadata, ...traitOf(violation), field } });
}

function reasonOf({ field }: Violation): ErrorReason {
  const last = field.at(-1);
  if (last?.kind === 'field' && last.name === 'identifier') return 'INVALID_IDENTIFIER';
  return field.some((step) => step.kind === 'field' && step.name === 'traits') ? 'INVALID_TRAIT' : 'INVALID_REQUEST';
}

function traitOf({ field }: Violation): { trait?: string } {
  const traits = field.findIndex((step) => step.kind === 'field' && step.name === 'traits');
  const key = traits < 0 ? undefined : field[traits + 1];
  return key?.kind === 'map_sub' ? { trait: String(key.key) } : {};
}
