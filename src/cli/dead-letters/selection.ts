import type { MessageInitShape } from '@bufbuild/protobuf';
import { InvalidArgumentError } from '@commander-js/extra-typings';
import { ErrorReason } from '../../gen/rollcall/v1/error_reason_pb.js';
import type { DropDeadLettersRequestSchema } from '../../gen/rollcall/v1/index_service_pb.js';
import { reasonNamed } from '../call-errors.js';
import { CommandError } from '../command-error.js';

/** What the options of a command say of the letters that are meant. */
export interface FilterOptions {
  readonly environment?: string;
  readonly topic?: string;
  readonly reason?: ErrorReason;
}

/** For `argParser`: the name of an error reason, in any case. */
export function parseReason(text: string): ErrorReason {
  const name = reasonNamed(text.toUpperCase().replaceAll('-', '_'));
  if (name !== undefined) return ErrorReason[name];
  throw new InvalidArgumentError('It must be one of the reasons of the contract, such as ENVIRONMENT_NOT_FOUND.');
}

export function filterOf({ environment = '', topic = '', reason = ErrorReason.UNSPECIFIED }: FilterOptions) {
  return { environment, topic, reason };
}

type Selection = NonNullable<MessageInitShape<typeof DropDeadLettersRequestSchema>['selection']>;

/** The letters that are meant, by ids, by a filter, or all. Throws USAGE unless it is exactly one of these. */
export function selectionOf(ids: readonly string[], options: FilterOptions & { readonly all?: true }): Selection {
  const isFiltered = [options.environment, options.topic, options.reason].some((given) => given !== undefined);
  const ways = [ids.length > 0, isFiltered, options.all === true].filter(Boolean).length;
  if (ways !== 1) throw new CommandError('USAGE', 'give ids, or --environment, --topic or --reason, or --all');
  if (ids.length > 0) return { case: 'ids', value: { ids: [...new Set(ids.map(readId))] } };
  return { case: 'filter', value: filterOf(options) };
}

function readId(text: string): bigint {
  if (/^[0-9]{1,15}$/.test(text)) return BigInt(text);
  throw new CommandError('USAGE', `${text} is no id of a dead letter: \`rollcall dead-letters list\` shows them`);
}
