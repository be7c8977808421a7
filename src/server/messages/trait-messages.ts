import type { MessageInitShape } from '@bufbuild/protobuf';
import { NullValue } from '@bufbuild/protobuf/wkt';
import { isList, parseTrait, splitTraits } from '../../core/trait-text.js';
import type { TraitValue } from '../../core/values.js';
import type { TraitValueSchema } from '../../gen/rollcall/v1/trait_value_pb.js';

type TraitMessage = MessageInitShape<typeof TraitValueSchema>;

const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;

/** The traits of a stored identity, whose text is a JSON object, as they go to callers. */
export function traitMessagesOf(text: string): Record<string, TraitMessage> {
  return Object.fromEntries([...splitTraits(text)].map(([key, value]) => [key, traitMessage(parseTrait(value))]));
}

/** A value as it goes over the wire. */
export function traitMessage(value: TraitValue): TraitMessage {
  if (typeof value === 'string') return { kind: { case: 'stringValue', value } };
  if (typeof value === 'boolean') return { kind: { case: 'boolValue', value } };
  if (typeof value === 'number') return { kind: { case: 'floatValue', value } };
  if (typeof value === 'bigint') {
    if (isInt64(value)) return { kind: { case: 'intValue', value } };
    return { kind: { case: 'bigIntValue', value: value.toString() } };
  }
  if (value === null) return { kind: { case: 'nullValue', value: NullValue.NULL_VALUE } };
  if (isList(value)) return { kind: { case: 'listValue', value: { values: value.map(traitMessage) } } };
  const values = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, traitMessage(inner)]));
  return { kind: { case: 'mapValue', value: { values } } };
}

/** Whether an integer fits the field of integers; larger ones go as text. */
export function isInt64(value: bigint): boolean {
  return value >= MIN_INT64 && value <= MAX_INT64;
}
