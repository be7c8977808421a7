import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../../src/gen/grpc/health/v1/health_pb.js';
import { ApplyChangesRequestSchema, IngestService } from '../../../src/gen/rollcall/v1/ingest_service_pb.js';
import {
  MembershipService,
  StreamMembersRequestSchema,
  StreamMembersResponseSchema,
} from '../../../src/gen/rollcall/v1/membership_service_pb.js';
import { startGrpcServer } from '../../../src/server/transport/grpc-server.js';
import type { RunningServer } from '../../../src/server/transport/grpc-server.js';
import { createHealth } from '../../../src/server/transport/health.js';
import {
  connectGrpcClient,
  errorInfoOf,
  errorOf,
  openRawCall,
  openRawStream,
  rawGrpcClient,
} from '../../helpers/grpc-client.js';
import { createWireFixture, MEMBERS_IN_A_MESSAGE, membersMessage, selector } from '../wire-fixture.js';

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function serve(options: { streamProgressTimeoutMs?: number; maxStreams?: number } = {}) {
  const fixture = createWireFixture(options);
  const health = createHealth([MembershipService.typeName]);
  const implementations = [...fixture.implementations, health.implementation];
  const server = await startGrpcServer({ ...fixture.serverOptions, implementations });
  cleanUps.push(() => server.stop(0));
  const client = connectGrpcClient(MembershipService, server.port);
  const ingest = connectGrpcClient(IngestService, server.port);
  cleanUps.push(client.close, ingest.close);
  return { fixture, server, client, ingest, health };
}

function openStream(server: RunningServer, limit: number): ClientReadableStream<Buffer> {
  const client = rawGrpcClient(server.port);
  const request = create(StreamMembersRequestSchema, {
    selector: selector('s'),
    limit: BigInt(limit),
    cursor: 'encoded',
  });
  const bytes = toBinary(StreamMembersRequestSchema, request);
  const stream = openRawStream(client, MembershipService.method.streamMembers, bytes);
  cleanUps.push(() => {
    stream.on('error', () => undefined);
    stream.cancel();
    client.close();
  });
  return stream;
}

describe('unary calls', () => {
  it('are answered', async () => {
    const { client } = await serve();
    expect(await client.count({ selector: selector('any') })).toMatchObject({ count: 42n, revision: 7n });
  });

  it('carry a reason, its domain and its metadata when refused', async () => {
    const { client, fixture } = await serve();
    const error = await errorOf(client.count({ selector: selector('missing') }));
    expect(error).toMatchObject({ code: status.NOT_FOUND, details: 'no segment "missing"' });
    expect(errorInfoOf(error)).toMatchObject({
      reason: 'SEGMENT_NOT_FOUND',
      domain: 'rollcall.v1',
      metadata: { segment: 'missing' },
    });
    expect(fixture.failures).toEqual([]);
  });

  it('tell of an unknown error no more than the request id, and log it', async () => {
    const { client, fixture } = await serve();
    const error = await errorOf(client.count({ selector: selector('broken') }));
    expect(error).toMatchObject({ code: status.INTERNAL, details: 'internal error' });
    const [failure] = fixture.failures;
    expect(failure).toMatchObject({ method: 'rollcall.v1.MembershipService/Count' });
    expect(errorInfoOf(error)).toMatchObject({ reason: 'INTERNAL', metadata: { requestId: failure?.requestId } });
    expect(String(failure?.error)).toContain('select secret');
  });

  it('are refused with the field that breaks a constraint', async () => {
    const { client } = await serve();
    const error = await errorOf(client.sample({ selector: selector('any'), size: 1_001 }));
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(errorInfoOf(error)).toMatchObject({ reason: 'INVALID_REQUEST', metadata: { field: 'size' } });
  });

  it.each(['', 'x'.repeat(2_001)])('refuse an identifier of 0 or 2,001 characters', async (identifier) => {
    const { client } = await serve();
    const identity = { identity: { case: 'identifier' as const, value: identifier } };
    const error = await errorOf(client.checkMembership({ environment: 'default', identity }));
    expect(errorInfoOf(error)).toMatchObject({
      reason: 'INVALID_IDENTIFIER',
      metadata: { field: 'identity.identifier' },
    });
  });

  it('refuse bytes that are no request', async () => {
    const { server } = await serve();
    const raw = rawGrpcClient(server.port);
    cleanUps.push(() => {
      raw.close();
    });
    const asItIs = (bytes: Buffer): Buffer => bytes;
    const call = new Promise((resolve, reject) => {
      const path = '/rollcall.v1.MembershipService/Count';
      raw.makeUnaryRequest(path, asItIs, asItIs, Buffer.from([0x0a, 0xff]), (error, bytes) => {
        if (error === null) resolve(bytes);
        else reject(error);
      });
    });
    expect(errorInfoOf(await errorOf(call))).toMatchObject({ reason: 'INVALID_REQUEST' });
  });

  it('end at the deadline, on both sides', async () => {
    const { client, fixture } = await serve();
    await client.count({ selector: selector('any') });
    const error = await errorOf(client.count({ selector: selector('slow') }, { timeoutMs: 300 }));
    expect(error).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await vi.waitFor(() => {
      // Whose clock is first decides which.
      expect(fixture.aborted).toHaveLength(1);
      expect(String(fixture.aborted[0])).toMatch(/deadline passed|cancelled/);
    });
  });

  it('end when cancelled, on both sides', async () => {
    const { client, fixture } = await serve();
    const controller = new AbortController();
    const call = client.count({ selector: selector('slow') }, { signal: controller.signal });
    setTimeout(() => {
      controller.abort();
    }, 100);
    expect(await errorOf(call)).toMatchObject({ code: status.CANCELLED });
    await vi.waitFor(() => {
      expect(fixture.aborted).toMatchObject([{ reason: 'CANCELLED' }]);
    });
  });

  it('take no request of more than 16 MiB', async () => {
    const { ingest } = await serve();
    const changes = [{ environmentKey: 'default', identifier: 'x'.repeat(17 * 1024 * 1024) }];
    expect(await errorOf(ingest.applyChanges([{ changes }]))).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  });
});

describe('server streams', () => {
  it('arrive whole and in order', async () => {
    const { client, fixture } = await serve();
    const revisions: bigint[] = [];
    for await (const { revision } of client.streamMembers({ selector: selector('s'), limit: 100n }))
      revisions.push(revision);
    expect(revisions).toEqual(Array.from({ length: 100 }, (_, sent) => BigInt(sent)));
    expect(fixture.returned).toBe(1);
    expect(fixture.aborted).toEqual([]);
  });

  it('pass finished bytes on unchanged', async () => {
    const { server } = await serve();
    const received: Buffer[] = [];
    for await (const bytes of openStream(server, 3) as AsyncIterable<Buffer>) received.push(bytes);
    expect(received.map((bytes) => bytes.equals(membersMessage()))).toEqual([true, true, true]);
    expect(fromBinary(StreamMembersResponseSchema, membersMessage()).members).toHaveLength(MEMBERS_IN_A_MESSAGE);
  });

  it('carry a reason when they break off', async () => {
    const { client } = await serve();
    const received: bigint[] = [];
    const reading = async (): Promise<void> => {
      const stream = client.streamMembers({ selector: selector('s'), limit: 9n, cursor: 'broken' });
      for await (const { revision } of stream) received.push(revision);
    };
    const error = await errorOf(reading());
    expect(received).toEqual([0n]);
    expect(errorInfoOf(error)).toMatchObject({ reason: 'INDEX_CORRUPT' });
  });

  it('hold a bounded number of messages while nothing is read, and go on afterwards', async () => {
    const { server, fixture } = await serve();
    const stream = openStream(server, 300);
    await vi.waitFor(() => {
      expect(fixture.produced).toBeGreaterThan(10);
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(fixture.produced).toBeLessThan(60);
    let messages = 0;
    for await (const bytes of stream as AsyncIterable<Buffer>) messages += bytes.length > 0 ? 1 : 0;
    expect(messages).toBe(300);
  });

  it('are ended with STREAM_STALLED when nothing is read for too long', async () => {
    const { server, fixture } = await serve({ streamProgressTimeoutMs: 150 });
    const stream = openStream(server, 100_000);
    await vi.waitFor(() => {
      expect(fixture.returned).toBe(1);
    });
    expect(fixture.aborted).toEqual([]);
    const error = await new Promise((resolve) => stream.on('error', resolve));
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  });

  it('tell a caller that reads again of STREAM_STALLED', async () => {
    const { server, fixture } = await serve({ streamProgressTimeoutMs: 400 });
    const stream = openStream(server, 100_000);
    await vi.waitFor(
      () => {
        expect(fixture.returned).toBe(1);
      },
      { timeout: 3_000 },
    );
    const reading = async (): Promise<void> => {
      for await (const bytes of stream as AsyncIterable<Buffer>) expect(bytes.length).toBeGreaterThan(0);
    };
    expect(errorInfoOf(await errorOf(reading()))).toMatchObject({ reason: 'STREAM_STALLED' });
  });

  it('return the handler when the caller goes away', async () => {
    const { client, fixture } = await serve();
    for await (const { revision } of client.streamMembers({ selector: selector('s'), limit: 1_000_000n })) {
      if (revision === 5n) break;
    }
    await vi.waitFor(() => {
      expect(fixture.returned).toBe(1);
    });
    expect(fixture.aborted).toMatchObject([{ reason: 'CANCELLED' }]);
  });

  it('end at the deadline even where nothing is read', async () => {
    const { server, fixture } = await serve();
    const message = create(StreamMembersRequestSchema, { selector: selector('s'), limit: 100_000n, cursor: 'encoded' });
    const request = toBinary(StreamMembersRequestSchema, message);
    const method = MembershipService.method.streamMembers;
    const { session, stream } = openRawCall(server.port, method, request, { 'grpc-timeout': '200m' });
    stream.end();
    cleanUps.push(() => {
      session.destroy();
    });
    await vi.waitFor(() => {
      expect(fixture.returned).toBe(1);
    });
    expect(fixture.aborted).toMatchObject([{ reason: 'DEADLINE_EXCEEDED' }]);
  });

  it('are bounded for each caller, and the place is given back', async () => {
    const { server, client } = await serve({ maxStreams: 2 });
    const held = [openStream(server, 100_000), openStream(server, 100_000)];
    await Promise.all(held.map((stream) => new Promise((resolve) => stream.once('metadata', resolve))));
    const read = async (): Promise<number> => {
      let messages = 0;
      for await (const { revision } of client.streamMembers({ selector: selector('s'), limit: 2n })) {
        messages += revision >= 0n ? 1 : 0;
      }
      return messages;
    };
    const error = await errorOf(read());
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(errorInfoOf(error)).toMatchObject({ reason: 'TOO_MANY_STREAMS', metadata: { limit: '2' } });
    held[0]?.on('error', () => undefined).cancel();
    await vi.waitFor(async () => {
      expect(await read()).toBe(2);
    });
  });
});

describe('client streams', () => {
  const change = { environmentKey: 'default', identifier: 'ada', change: { case: 'delete' as const, value: {} } };

  it('are read to their end', async () => {
    const { ingest } = await serve();
    expect(await ingest.applyChanges([{ changes: [change] }, { changes: [change, change] }])).toMatchObject({
      applied: 3n,
    });
  });

  it('are refused at the message that breaks a constraint', async () => {
    const { ingest, fixture } = await serve();
    const tooMany = { changes: Array.from({ length: 10_001 }, () => change) };
    const error = await errorOf(ingest.applyChanges([{ changes: [change] }, tooMany]));
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(errorInfoOf(error)).toMatchObject({ reason: 'INVALID_REQUEST', metadata: { message: '1' } });
    expect(fixture).toMatchObject({ ingested: 1, ingestEnded: 0 });
  });

  it('whose connection is lost are not taken for ended', async () => {
    const { server, fixture } = await serve();
    const message = toBinary(ApplyChangesRequestSchema, create(ApplyChangesRequestSchema, { changes: [change] }));
    const { session } = openRawCall(server.port, IngestService.method.applyChanges, message);
    await vi.waitFor(() => {
      expect(fixture.ingested).toBe(1);
    });
    session.destroy();
    await vi.waitFor(() => {
      expect(fixture.ingestCut).toBe(1);
    });
    expect(fixture.ingestEnded).toBe(0);
  });
});

describe('health', () => {
  it('follows what the server says of itself, for each service', async () => {
    const { server, health } = await serve();
    const client = connectGrpcClient(Health, server.port);
    cleanUps.push(client.close);
    expect(await client.check({})).toMatchObject({ status: ServingStatus.NOT_SERVING });
    health.setServing(true);
    expect(await client.check({})).toMatchObject({ status: ServingStatus.SERVING });
    expect(await client.check({ service: MembershipService.typeName })).toMatchObject({
      status: ServingStatus.SERVING,
    });
    expect(await errorOf(client.check({ service: 'rollcall.v1.Nothing' }))).toMatchObject({ code: status.NOT_FOUND });
  });

  it('is watched', async () => {
    const { server, health } = await serve();
    const client = connectGrpcClient(Health, server.port);
    cleanUps.push(client.close);
    const seen: ServingStatus[] = [];
    for await (const { status: now } of client.watch({ service: MembershipService.typeName })) {
      seen.push(now);
      if (seen.length === 2) break;
      health.setServing(true);
    }
    expect(seen).toEqual([ServingStatus.NOT_SERVING, ServingStatus.SERVING]);
  });
});

describe('stopping', () => {
  it('waits for open calls', async () => {
    const { server, client } = await serve();
    const reading = (async () => {
      let messages = 0;
      for await (const { revision } of client.streamMembers({ selector: selector('s'), limit: 2_000n })) {
        messages += revision >= 0n ? 1 : 0;
      }
      return messages;
    })();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server.stop(20_000);
    expect(await reading).toBe(2_000);
  });

  it('ends calls that outlast the grace', async () => {
    const { server, client, fixture } = await serve();
    const call = client.count({ selector: selector('slow') });
    const outcome = errorOf(call);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server.stop(50);
    expect(errorInfoOf(await outcome)).toMatchObject({ reason: 'CANCELLED' });
    expect(fixture.aborted).toHaveLength(1);
  });

  it('is told of an address that is taken', async () => {
    const { server, fixture } = await serve();
    const second = startGrpcServer({ ...fixture.serverOptions, port: server.port });
    expect(await errorOf(second)).toBeInstanceOf(Error);
  });
});
