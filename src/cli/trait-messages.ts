import type { TraitValue } from '../core/values.js';
import type { TraitValue as TraitValueMessage } from '../gen/rollcall/v1/trait_value_pb.js';

/** The traits of an answer. */
export function traitsOf(messages: Readonly<Record<string, TraitValueMessage>>): Record<string, TraitValue> {
  return Object.fromEntries(Object.entries(messages).map(([name, message]) => [name, traitOf(message)]));
}

function traitOf({ kind }: TraitValueMessage): TraitValue {
  switch (kind.case) {
    case 'stringValue':
    case 'boolValue':
    case 'floatValue':
    case 'intValue':
      return kind.value;
    case 'bigIntValue':
      return BigInt(kind.value);
    case 'listValue':
      return kind.value.values.map(traitOf);
    case 'mapValue':
      return traitsOf(kind.value.values);
    case 'nullValue':
    case undefined:
      return null;
  }
}
