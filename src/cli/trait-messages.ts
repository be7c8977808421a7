import type { TraitValue } from '../core/values.js';
import type { TraitValue as TraitValueMessage } from '../gen/rollcall/v1/trait_value_pb.js';
import { decodeTrait } from '../indexing/decode.js';

/** The traits of an answer. */
export function traitsOf(messages: Readonly<Record<string, TraitValueMessage>>): Record<string, TraitValue> {
  return Object.fromEntries(Object.entries(messages).map(([name, message]) => [name, decodeTrait(message)]));
}
