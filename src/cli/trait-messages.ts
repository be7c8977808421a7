import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TraitValue } from '../core/values.js';
import type { TraitValue as TraitValueMessage, TraitValueSchema } from '../gen/rollcall/v1/trait_value_pb.js';
import { traitMessage } from '../server/trait-messages.js';

type TraitMessageInit = MessageInitShape<typeof TraitValueSchema>;

export function traitMessages(traits: Readonly<Record<string, TraitValue>>): Record<string, TraitMessageInit> {
  return Object.fromEntries(Object.entries(traits).map(([name, value]) => [name, traitMessage(value)]));
}

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
