import type { MessageInitShape } from '@bufbuild/protobuf';
import { setTimeout as delay } from 'node:timers/promises';
import { crc32c } from '../../core/checksum.js';
import type { Member } from '../../gen/rollcall/v1/member_pb.js';
import type {
  StreamMembersRequestSchema,
  StreamMembersResponse,
  StreamSummary,
} from '../../gen/rollcall/v1/membership_service_pb.js';
import { MembershipService } from '../../gen/rollcall/v1/membership_service_pb.js';
import { isRetryable } from '../call-errors.js';
import type { RollcallClient } from '../client.js';
import { CommandError } from '../command-error.js';

type StreamRequest = MessageInitShape<typeof StreamMembersRequestSchema>;

/** What a whole stream was, over all its calls. */
export interface StreamedMembers {
  readonly members: number;
  /** Whether the last member was reached; false after a limit. */
  readonly isComplete: boolean;
  readonly revision: bigint;
  /** How often the stream was cut and resumed. */
  readonly resumptions: number;
  /** Whether it went on at a newer revision after a cut. */
  readonly revisionChanged: boolean;
}

export interface StreamListener {
  /** Takes the members of one message, in order, each member exactly once; the stream waits for it. */
  onMembers(members: readonly Member[], total: bigint): Promise<void>;
  onResume?(error: unknown): void;
}

interface Position {
  cursor: string;
  members: number;
  total: bigint;
  revision: bigint;
  revisionChanged: boolean;
}

/** Cuts in a row, with no message between them, before the stream is given up. */
const MAX_ATTEMPTS = 6;
const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 10_000;

/**
 * Streams all members, up to `request.limit`. A stream that is cut goes on after the last message received; the count and the CRC32C
 * of each call that ends are compared with what arrived (STREAM_DAMAGED).
 */
export async function streamMembers(
  client: RollcallClient,
  request: StreamRequest,
  listener: StreamListener,
  signal: AbortSignal,
): Promise<StreamedMembers> {
  const limit = Number(request.limit ?? 0n);
  const position: Position = {
    cursor: request.cursor ?? '',
    members: 0,
    total: 0n,
    revision: 0n,
    revisionChanged: false,
  };
  let resumptions = 0;
  for (let attempt = 1; ; attempt += 1) {
    const before = position.members;
    try {
      const rest = limit === 0 ? 0n : BigInt(limit - position.members);
      const summary = await streamOnce(
        client,
        { ...request, cursor: position.cursor, limit: rest },
        listener,
        position,
      );
      const { members, revision, revisionChanged } = position;
      checkTotal(position, request, summary);
      return { members, isComplete: summary.complete, revision, resumptions, revisionChanged };
    } catch (error) {
      if (position.members > before) attempt = 1;
      if (!isRetryable(error) || attempt >= MAX_ATTEMPTS) throw error;
      resumptions += 1;
      listener.onResume?.(error);
      await delay(backOffMs(attempt), undefined, { signal });
    }
  }
}

/** One call, to its end. Moves the position with each message that the listener has taken. */
async function streamOnce(
  client: RollcallClient,
  request: StreamRequest,
  listener: StreamListener,
  position: Position,
): Promise<StreamSummary> {
  let sent = 0;
  let checksum = 0;
  for await (const message of client.stream(MembershipService.method.streamMembers, request)) {
    const { summary } = message;
    position.revision = message.revision;
    position.total = message.total;
    position.revisionChanged ||= message.revisionChanged;
    if (summary !== undefined) return checkSummary(summary, sent, checksum);
    sent += message.members.length;
    checksum = crc32c(identifierBytes(message), checksum);
    await listener.onMembers(message.members, message.total);
    position.members += message.members.length;
    position.cursor = message.cursor;
  }
  throw new CommandError('STREAM_DAMAGED', 'the stream ended without its summary');
}

function checkSummary(summary: StreamSummary, sent: number, checksum: number): StreamSummary {
  if (Number(summary.sent) === sent && summary.crc32c === checksum) return summary;
  const message = `the members that arrived are not those that were sent: ${sent} of ${summary.sent}`;
  throw new CommandError('STREAM_DAMAGED', message);
}

/** Over all calls at one revision, too, everyone must have come. */
function checkTotal(
  { members, total, revisionChanged }: Position,
  request: StreamRequest,
  { complete }: StreamSummary,
): void {
  const isWhole = complete && !revisionChanged && (request.cursor ?? '') === '';
  if (isWhole && members !== Number(total))
    throw new CommandError('STREAM_DAMAGED', `${members} of ${total} members arrived`);
}

/** What the summary's CRC32C covers. */
function identifierBytes({ members }: StreamMembersResponse): Buffer {
  return Buffer.from(members.map(({ identifier }) => `${identifier}\n`).join(''));
}

function backOffMs(attempt: number): number {
  const longest = Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), LONGEST_DELAY_MS);
  return longest * (0.5 + Math.random() / 2);
}
