import { create, toBinary } from '@bufbuild/protobuf';
import { StreamMembersResponseSchema } from '../../gen/rollcall/v1/membership_service_pb.js';
import type { Page } from '../../query/member-pages.js';
import { traitMessagesOf } from './trait-messages.js';

/** The members of one message as field 1 of StreamMembersResponse. */
export interface EncodedMembers {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly lastOrdinal: number;
}

/** A message is about this large: between 16 and 64 KiB, but for the last of a stream, or a single larger member. */
const MESSAGE_BYTES = 32 * 1024;
const MAX_MESSAGE_BYTES = 60 * 1024;
/** A stored identifier of a packed page has at most 1,800 bytes, and what stands around it at most 32. */
const MAX_PACKED_MEMBER_BYTES = 2048;
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
  let parts: Uint8Array[] = [];
  let length = 0;
  for (const [index, ordinal] of ordinals.entries()) {
    const members = [{ id: BigInt(ordinal), ...member(index) }];
    const bytes = toBinary(StreamMembersResponseSchema, create(StreamMembersResponseSchema, { members }));
    parts.push(bytes);
    length += bytes.length;
    if (length < MESSAGE_BYTES && index + 1 < ordinals.length) continue;
    yield { bytes: Buffer.concat(parts), count: parts.length, lastOrdinal: ordinal };
    parts = [];
    length = 0;
  }
}

/** Messages of one page have equally many members, so that none is a small rest. */
function* encodePacked(ordinals: Float64Array, identifiers: Buffer): Generator<EncodedMembers> {
  const estimatedBytes = identifiers.length + ordinals.length * (4 + varintSize(ordinals.at(-1) ?? 0));
  const messages = Math.max(1, Math.round(estimatedBytes / MESSAGE_BYTES));
  const maxMembers = Math.ceil(ordinals.length / messages);
  let from = 0;
  let position = 0;
  while (from < ordinals.length) {
    const message = encodeMessage(ordinals, identifiers, from, position, maxMembers);
    yield { bytes: message.bytes, count: message.next - from, lastOrdinal: ordinals[message.next - 1] ?? 0 };
    from = message.next;
    position = message.position;
  }
}

/** Encodes members from the one at `from`, whose identifier begins at `position`: at most `maxMembers`, fewer where the message gets too large. */
function encodeMessage(
  ordinals: Float64Array,
  identifiers: Buffer,
  from: number,
  position: number,
  maxMembers: number,
): { bytes: Buffer; next: number; position: number } {
  const out = Buffer.allocUnsafe(MAX_MESSAGE_BYTES + MAX_PACKED_MEMBER_BYTES);
  const until = Math.min(ordinals.length, from + maxMembers);
  let next = from;
  let length = 0;
  let start = position;
  while (next < until && length < MAX_MESSAGE_BYTES) {
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
