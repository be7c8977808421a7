import { create, toBinary } from '@bufbuild/protobuf';
import { RollcallError } from '../../src/core/errors.js';
import { IngestService } from '../../src/gen/rollcall/v1/ingest_service_pb.js';
import { MembershipService, StreamMembersResponseSchema } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import type { CallFailure } from '../../src/server/transport/errors.js';
import { encodedMessage, implement } from '../../src/server/transport/handlers.js';
import type { CallContext, Implementation } from '../../src/server/transport/handlers.js';
import { createStreamSlots } from '../../src/server/transport/stream-slots.js';

/** Handlers that show what the wire does with them, and what they saw of it. */
export interface WireFixture {
  readonly implementations: readonly Implementation[];
  /** What a server needs beside its own options. */
  readonly serverOptions: {
    readonly host: string;
    readonly port: number;
    readonly implementations: readonly Implementation[];
    readonly streamSlots: ReturnType<typeof createStreamSlots>;
    readonly streamProgressTimeoutMs: number;
    readonly logFailure: (failure: CallFailure) => void;
  };
  readonly failures: CallFailure[];
  /** Reasons with which calls of the segment `slow`, and streams, were aborted. */
  readonly aborted: unknown[];
  produced: number;
  returned: number;
  ingested: number;
  ingestEnded: number;
  ingestCut: number;
}

/** About 60 KiB. */
export const MEMBERS_IN_A_MESSAGE = 1_000;

/** One message of a stream as finished bytes. */
export function membersMessage(): Uint8Array {
  const members = Array.from({ length: MEMBERS_IN_A_MESSAGE }, (_, id) => ({
    id: BigInt(id),
    identifier: `${'x'.repeat(50)}${String(id).padStart(6, '0')}`,
  }));
  return toBinary(StreamMembersResponseSchema, create(StreamMembersResponseSchema, { members, revision: 7n }));
}

export const selector = (segment: string) => ({
  environment: 'default',
  target: { case: 'segment' as const, value: segment },
});

export function createWireFixture(
  options: { streamProgressTimeoutMs?: number; maxStreams?: number } = {},
): WireFixture {
  const fixture: WireFixture = {
    implementations: [],
    serverOptions: {
      host: '127.0.0.1',
      port: 0,
      implementations: [],
      streamSlots: createStreamSlots(options.maxStreams ?? 4),
      streamProgressTimeoutMs: options.streamProgressTimeoutMs ?? 60_000,
      logFailure: (failure) => fixture.failures.push(failure),
    },
    failures: [],
    aborted: [],
    produced: 0,
    returned: 0,
    ingested: 0,
    ingestEnded: 0,
    ingestCut: 0,
  };
  const implementations = [membership(fixture), ingest(fixture)];
  return Object.assign(fixture, { implementations, serverOptions: { ...fixture.serverOptions, implementations } });
}

/** A segment's key says what its count does; a stream sends `limit` messages, encoded where the cursor is `encoded`. */
function membership(fixture: WireFixture): Implementation {
  const bytes = membersMessage();
  const absent = () => Promise.reject(new RollcallError('SEGMENT_NOT_FOUND', 'no such segment'));
  return implement(MembershipService, {
    async count({ selector: asked }, context) {
      const segment = asked?.target.value;
      if (segment === 'missing') {
        throw new RollcallError('SEGMENT_NOT_FOUND', 'no segment "missing"', { metadata: { segment } });
      }
      if (segment === 'broken') throw new Error('select secret from "table"');
      if (segment === 'slow') await untilAborted(context, fixture);
      return { count: 42n, revision: 7n };
    },
    async *streamMembers({ limit, cursor }, { signal }) {
      signal.addEventListener('abort', () => fixture.aborted.push(signal.reason));
      try {
        for (let sent = 0n; sent < limit; sent += 1n) {
          if (cursor === 'broken' && sent === 1n) throw new RollcallError('INDEX_CORRUPT', 'a chunk is corrupt');
          fixture.produced += 1;
          yield cursor === 'encoded' ? encodedMessage(bytes) : { revision: sent };
          await new Promise(setImmediate);
        }
      } finally {
        fixture.returned += 1;
      }
    },
    sample: absent,
    listMembers: absent,
    checkMembership: absent,
    explain: absent,
  });
}

function ingest(fixture: WireFixture): Implementation {
  return implement(IngestService, {
    async applyChanges(requests) {
      try {
        for await (const { changes } of requests) fixture.ingested += changes.length;
      } catch (error) {
        fixture.ingestCut += 1;
        throw error;
      }
      fixture.ingestEnded += 1;
      return { applied: BigInt(fixture.ingested) };
    },
  });
}

function untilAborted({ signal }: CallContext, fixture: WireFixture): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      fixture.aborted.push(signal.reason);
      reject(new Error('stopped'));
    });
  });
}
