import type { Page } from '../../query/member-pages.js';
import { writeTraits } from './trait-encoding.js';
import {
  createOutput,
  putVarint,
  varintSize,
  type WireOutput,
  writeByte,
  writeBytes,
  writeDelimited,
  writeString,
  writeVarint,
} from './wire-output.js';

/** A message of members: as StreamMembersResponse, what follows the members included. */
export interface MembersMessage {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly lastOrdinal: number;
}

/** The encoded fields that follow the members of a message whose last member has this ordinal. */
export type FieldsAfter = (lastOrdinal: number) => Uint8Array;

/** Messages are about this large, and at least half of it, but for the last of a stream, or a single larger member: between 16 and 64 KiB. */
const MESSAGE_BYTES = 48 * 1024;
/** Where the size of the next member is not known: a message is finished once it has this. */
const SMALL_MESSAGE_BYTES = 32 * 1024;
/** A stored identifier of a packed page has at most 1,800 bytes, and what stands around it at most 32. */
const MAX_PACKED_MEMBER_BYTES = 2048;
/** What stands around an identifier, but for the ordinal and what ends it in the page. */
const MAX_BYTES_AROUND = 6;
/** Members whose identifier is shorter have lengths of one byte: the other fields take at most 12. */
const SHORT_IDENTIFIER_BYTES = 0x80 - 12;
const NEWLINE = 0x0a;
/** Tags of `members` and of the fields of a member, each below 128, so one byte. */
const TAG = { members: 0x0a, id: 0x08, identifier: 0x12, traits: 0x1a } as const;

/** Encodes a page as the generated code would, but for the order of traits; by hand, since nothing else runs for each member of a stream. */
export function* encodePage(page: Page, fieldsAfter: FieldsAfter): Generator<MembersMessage> {
  switch (page.kind) {
    case 'packed':
      yield* encodePacked(page.ordinals, page.bytes, fieldsAfter);
      return;
    case 'listed':
      yield* encodeEach(page.ordinals, fieldsAfter, (output, index) => {
        writeIdentifier(output, page.identifiers[index] ?? '');
      });
      return;
    case 'traits':
      yield* encodeEach(page.ordinals, fieldsAfter, (output, index) => {
        const { identifier, traits } = page.identities[index] ?? { identifier: '', traits: '{}' };
        writeIdentifier(output, identifier);
        writeTraits(output, TAG.traits, traits);
      });
  }
}

function writeIdentifier(output: WireOutput, identifier: string): void {
  writeByte(output, TAG.identifier);
  writeString(output, identifier);
}

function* encodeEach(
  ordinals: Float64Array,
  fieldsAfter: FieldsAfter,
  writeFields: (output: WireOutput, index: number) => void,
): Generator<MembersMessage> {
  const output = createOutput();
  let count = 0;
  for (const [index, ordinal] of ordinals.entries()) {
    writeByte(output, TAG.members);
    writeDelimited(output, () => {
      if (ordinal !== 0) {
        writeByte(output, TAG.id);
        writeVarint(output, ordinal);
      }
      writeFields(output, index);
    });
    count++;
    if (output.length < SMALL_MESSAGE_BYTES && index + 1 < ordinals.length) continue;
    writeBytes(output, fieldsAfter(ordinal));
    yield { bytes: Buffer.from(output.bytes.subarray(0, output.length)), count, lastOrdinal: ordinal };
    output.length = 0;
    count = 0;
  }
}

/** Messages of one page are about equally large, so that none is a small rest. */
function* encodePacked(
  ordinals: Float64Array,
  identifiers: Buffer,
  fieldsAfter: FieldsAfter,
): Generator<MembersMessage> {
  const bytesAround = MAX_BYTES_AROUND + varintSize(ordinals.at(-1) ?? 0);
  const after = fieldsAfter(Number.MAX_SAFE_INTEGER).length;
  let from = 0;
  let position = 0;
  while (from < ordinals.length) {
    const bytesLeft = identifiers.length - position + (ordinals.length - from) * bytesAround;
    const targetBytes = Math.ceil(bytesLeft / Math.ceil(bytesLeft / MESSAGE_BYTES));
    // Not from the pool, and no larger than what is sent: what is allocated outside the heap decides how often all of the heap is collected.
    const out = Buffer.allocUnsafeSlow(targetBytes + MAX_PACKED_MEMBER_BYTES + after);
    const part = encodeMembers(ordinals, identifiers, { from, position, length: 0 }, out, targetBytes);
    const lastOrdinal = ordinals[part.from - 1] ?? 0;
    const fields = fieldsAfter(lastOrdinal);
    out.set(fields, part.length);
    yield { bytes: out.subarray(0, part.length + fields.length), count: part.from - from, lastOrdinal };
    ({ from, position } = part);
  }
}

/** How far a page is encoded: the next member, where its identifier begins, and where it is to be written. */
interface Progress {
  readonly from: number;
  readonly position: number;
  readonly length: number;
}

/** Writes members to `out` until they have `targetBytes`, or up to the last. */
function encodeMembers(
  ordinals: Float64Array,
  identifiers: Buffer,
  start: Progress,
  out: Buffer,
  targetBytes: number,
): Progress {
  let { from, position, length } = start;
  while (from < ordinals.length && length < targetBytes) {
    const ordinal = ordinals[from++] ?? 0;
    const begin = length;
    out[length++] = TAG.members;
    length++;
    if (ordinal !== 0) {
      out[length++] = TAG.id;
      length = putVarint(out, length, ordinal);
    }
    out[length++] = TAG.identifier;
    const text = ++length;
    for (let byte = identifiers[position]; byte !== undefined && byte !== NEWLINE; byte = identifiers[++position])
      out[length++] = byte;
    position++;
    const size = length - text;
    if (size < SHORT_IDENTIFIER_BYTES) {
      out[begin + 1] = length - begin - 2;
      out[text - 1] = size;
    } else length = widenLengths(out, begin, text, length);
  }
  return { from, position, length };
}

/** Makes room for lengths of more than one byte in a member that was written with one for each; where it ends then. */
function widenLengths(out: Buffer, begin: number, text: number, end: number): number {
  const size = end - text;
  const sizeBytes = varintSize(size);
  const memberSize = end - begin - 3 + sizeBytes;
  const memberBytes = varintSize(memberSize);
  const moved = text + memberBytes + sizeBytes - 2;
  out.copyWithin(moved, text, end);
  out.copyWithin(begin + 1 + memberBytes, begin + 2, text - 1);
  putVarint(out, begin + 1, memberSize);
  putVarint(out, moved - sizeBytes, size);
  return moved + size;
}
