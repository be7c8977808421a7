import { fromBinary, toJsonString } from '@bufbuild/protobuf';
import { IdentityChangeSchema } from '../../gen/rollcall/v1/identity_change_pb.js';
import type { OutgoingMessage } from './topic-writer.js';
import { encodeChange, type OutgoingChange } from '../import/encode-change.js';

/** What the value of a message is written as. */
export const VALUE_FORMATS = ['protobuf', 'json'] as const;
export type ValueFormat = (typeof VALUE_FORMATS)[number];

/** A change as a message of the feed: its key keeps one identity in one partition. */
export function changeMessage(change: OutgoingChange, format: ValueFormat): OutgoingMessage {
  const key = `${change.environment}:${change.identifier}`;
  const value = encodeAlone(change);
  if (format === 'protobuf') return { key, value, headers: {} };
  const json = toJsonString(IdentityChangeSchema, fromBinary(IdentityChangeSchema, value));
  return { key, value: Buffer.from(json), headers: { 'content-type': 'application/json' } };
}

/** Without the tag and length by which it is an element of a batch. */
function encodeAlone(change: OutgoingChange): Buffer {
  const element = encodeChange(change);
  let lengthEnd = 1;
  while ((element[lengthEnd] ?? 0) >= 0x80) lengthEnd++;
  return element.subarray(lengthEnd + 1);
}
