import type { TraitValue } from '../../core/values.js';
import { writeTrait } from '../../server/messages/trait-encoding.js';
import { createOutput, writeByte, writeDelimited, writeInt64, writeString } from '../../server/messages/wire-output.js';

/** A change of one identity, as it is sent. */
export interface OutgoingChange {
  readonly environment: string;
  readonly identifier: string;
  /** Only where ids are given. */
  readonly id?: bigint;
  readonly kind: keyof typeof CHANGE_TAGS;
  readonly traits: Readonly<Record<string, TraitValue>>;
}

/** Tags (field number and wire type) of the messages that a change is made of; each is one byte. */
const CHANGE_TAGS = { upsert: 0x2a, set_traits: 0x32, delete: 0x3a } as const;
const CHANGE = { inBatch: 0x0a, environmentKey: 0x0a, identifier: 0x12, identityId: 0x18 } as const;
const TRAITS_TAG = 0x0a;

const output = createOutput();

/**
 * The change as an element of `ApplyChangesRequest.changes`: several of them, one after the other, are such a request. By hand,
 * because an import does nothing else for each trait: the generated encoder takes ten times as long.
 */
export function encodeChange({ environment, identifier, id, kind, traits }: OutgoingChange): Buffer {
  output.length = 0;
  writeByte(output, CHANGE.inBatch);
  writeDelimited(output, () => {
    writeByte(output, CHANGE.environmentKey);
    writeString(output, environment);
    writeByte(output, CHANGE.identifier);
    writeString(output, identifier);
    if (id !== undefined) {
      writeByte(output, CHANGE.identityId);
      writeInt64(output, id);
    }
    writeByte(output, CHANGE_TAGS[kind]);
    writeDelimited(output, () => {
      for (const [name, value] of Object.entries(traits)) writeTrait(output, TRAITS_TAG, name, value);
    });
  });
  return Buffer.from(output.bytes.subarray(0, output.length));
}
