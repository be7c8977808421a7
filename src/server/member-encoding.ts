import { create, toBinary } from '@bufbuild/protobuf';
import { StreamMembersResponseSchema } from '../gen/rollcall/v1/membership_service_pb.js';
import type { Page } from '../query/member-pages.js';
import { traitMessagesOf } from './trait-messages.js';

/** The members of one message as field 1 of StreamMembersResponse. */
export interface EncodedMembers {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly lastOrdinal: number;
}

/** A message ends when its members have this many bytes. */
const MESSAGE_BYTES = 32 * 1024;
/** Members of one message where their size is not known beforehand. */
const MEMBERS_PER_MESSAGE = 100;
const NEWLINE = 0x0a;
/** Tags of `members`, `id` and `identifier`, each below 128, so one byte. */
const TAG = { members: 0x0a, id: 0x08, identifier: 0x12 } as const;

/** Encodes a page as the generated code would; by hand where it has identifiers alone, since nothing else runs for each member of a stream. */
export function* encodePage(page: Page): Generator<EncodedMembers> {
  switch (page.kind) {
    case 'packed':
      yield* encodePacked(page.ordinals, page.bytes);
      return;
    case 'listed':
      yield* encodeGenerated(page.ordinals, (index) => ({ identifier: page.identifiers[index] ?? '' }));
      return;
    case 'traits':
      yield* encodeGenerated(page.ordinals, (index) => {
        const identity = page.identities[index];
        return { identifier: identity?.identifier ?? '', traits: traitMessagesOf(identity?.traits ?? '{}') };
      });
  }
}

function* encodeGenerated(
  ordinals: Float64Array,
  member: (index: number) => { identifier: string; traits?: ReturnType<typeof traitMessagesOf> },
): Generator<EncodedMembers> {
  for (let from = 0; from < ordinals.length; from += MEMBERS_PER_MESSAGE) {
    const part = ordinals.subarray(from, from + MEMBERS_PER_MESSAGE);
    const members = [...part].map((ordinal, offset) => ({ id: BigInt(ordinal), ...member(from + offset) }));
    const bytes = toBinary(StreamMembersResponseSchema, create(StreamMembersResponseSchema, { members }));
    yield { bytes, count: part.length, lastOrdinal: part.at(-1) ?? 0 };
  }
}

function* encodePacked(ordinals: Float64Array, identifiers: Buffer): Generator<EncodedMembers> {
  let from = 0;
  let position = 0;
  while (from < ordinals.length) {
    const message = encodeMessage(ordinals, identifiers, from, position);
    yield { bytes: message.bytes, count: message.next - from, lastOrdinal: ordinals[message.next - 1] ?? 0 };
    from = message.next;
    position = message.position;
  }
}

/** Encodes members from the one at `from`, whose identifier begins at `position`, until the message is large enough. */
function encodeMessage(
  ordinals: Float64Array,
  identifiers: Buffer,
  from: number,
  position: number,
): { bytes: Buffer; next: number; position: number } {
  // An identifier in a packed page has at most 1,800 bytes, and what stands around it at most 32.
  const out = Buffer.allocUnsafe(MESSAGE_BYTES + 2048);
  let next = from;
  let length = 0;
  let start = position;
  while (next < ordinals.length && length < MESSAGE_BYTES) {
    let end = start;
    while (identifiers[end] !== NEWLINE) end++;
    const ordinal = ordinals[next++] ?? 0;
    const size = end - start;
    const idBytes = ordinal === 0 ? 0 : 1 + varintSize(ordinal);
    out[length++] = TAG.members;
    length = writeVarint(out, length, idBytes + 1 + varintSize(size) + size);
    if (ordinal !== 0) {
      out[length++] = TAG.id;
      length = writeVarint(out, length, ordinal);
    }
    out[length++] = TAG.identifier;
    length = writeVarint(out, length, size);
    for (let index = start; index < end; index++) out[length++] = identifiers[index] ?? 0;
    start = end + 1;
  }
  return { bytes: out.subarray(0, length), next, position: start };
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

function writeVarint(out: Buffer, offset: number, value: number): number {
  let position = offset;
  let rest = value;
  while (rest >= 0x80) {
    out[position++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  out[position++] = rest;
  return position;
}
