import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { crc32c } from '../core/checksum.js';
import { StreamMembersResponseSchema } from '../gen/rollcall/v1/membership_service_pb.js';
import { encodeCursor } from '../query/cursor.js';
import type { Selection } from '../query/environment-index.js';
import { type Page, readPages } from '../query/member-pages.js';
import type { Database } from '../storage/database.js';
import { type EncodedMessage, encodedMessage } from './transport/handlers.js';
import { encodePage } from './messages/member-encoding.js';

/** One stream: which members, from where on, and what its messages say of themselves. */
export interface StreamPlan {
  readonly environmentId: number;
  readonly selection: Selection;
  readonly queryHash: string;
  readonly shard: { readonly index: number; readonly count: number };
  readonly after: number;
  /** 0: all. */
  readonly limit: number;
  readonly includeTraits: boolean;
  readonly isRevisionChanged: boolean;
  /** Called before each page is sent: throws where the stream is to end. */
  readonly expectOn: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** Field 2, `cursor`, of type string. */
const CURSOR_TAG = 0x12;

/**
 * The messages of a stream: members, cursor and state in each, then a last one with the summary. Its bytes are finished; only two pages beyond the one
 * being sent are in memory.
 */
export async function* streamMembers(database: Database, plan: StreamPlan): AsyncGenerator<EncodedMessage> {
  const { selection, shard, signal, includeTraits } = plan;
  const set = shard.count > 1 ? selection.set.shard(shard.index, shard.count) : selection.set;
  const left = set.size - (plan.after < 0 ? 0 : set.rank(plan.after));
  const limit = plan.limit === 0 ? left : Math.min(plan.limit, left);
  const state = encodeState(plan, set.size);
  const fieldsAfter = (lastOrdinal: number): Buffer => Buffer.concat([encodeCursorField(plan, lastOrdinal), state]);
  let after = plan.after;
  let sent = 0;
  let checksum = 0;
  for await (const page of readPages(database, plan.environmentId, {
    set,
    revision: selection.revision,
    after,
    limit,
    includeTraits,
    signal,
  })) {
    await plan.expectOn();
    checksum = addToChecksum(checksum, page);
    for (const { bytes, count, lastOrdinal } of encodePage(page, fieldsAfter)) {
      after = lastOrdinal;
      sent += count;
      yield encodedMessage(bytes);
    }
  }
  const summary = { complete: limit === left, sent: BigInt(sent), crc32c: checksum };
  const last = toBinary(
    StreamMembersResponseSchema,
    create(StreamMembersResponseSchema, { ...stateOf(plan, set.size), summary }),
  );
  yield encodedMessage(Buffer.concat([encodeCursorField(plan, after), last]));
}

function stateOf({ selection, isRevisionChanged }: StreamPlan, total: number) {
  return {
    revision: BigInt(selection.revision),
    asOf: timestampFromDate(selection.asOf),
    total: BigInt(total),
    revisionChanged: isRevisionChanged,
    etag: selection.served.etag,
    pending: selection.served.isPending,
  };
}

/** The fields that are the same in every message. */
function encodeState(plan: StreamPlan, total: number): Uint8Array {
  return toBinary(StreamMembersResponseSchema, create(StreamMembersResponseSchema, stateOf(plan, total)));
}

function encodeCursorField({ queryHash, selection }: StreamPlan, after: number): Buffer {
  const cursor = encodeCursor({
    query: queryHash,
    predicate: selection.served.predicate.key,
    revision: selection.revision,
    committedAtMs: selection.committedAt.getTime(),
    after,
  });
  const length = cursor.length < 128 ? [cursor.length] : [(cursor.length & 0x7f) | 0x80, cursor.length >>> 7];
  return Buffer.concat([Buffer.from([CURSOR_TAG, ...length]), Buffer.from(cursor)]);
}

/** CRC32C of the identifiers in order, each followed by a newline. */
function addToChecksum(checksum: number, page: Page): number {
  switch (page.kind) {
    case 'packed':
      return crc32c(page.bytes, checksum);
    case 'listed':
      return crc32c(Buffer.from(page.identifiers.map((identifier) => `${identifier}\n`).join('')), checksum);
    case 'traits':
      return crc32c(Buffer.from(page.identities.map(({ identifier }) => `${identifier}\n`).join('')), checksum);
  }
}
