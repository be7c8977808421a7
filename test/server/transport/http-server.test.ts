import { connect as connectSocket } from 'node:net';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import type { Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.js';
import { IngestService } from '../../../src/gen/rollcall/v1/ingest_service_pb.js';
import { MembershipService } from '../../../src/gen/rollcall/v1/membership_service_pb.js';
import { startHttpServer } from '../../../src/server/transport/http-server.js';
import { errorOf } from '../../helpers/grpc-client.js';
import { createWireFixture, MEMBERS_IN_A_MESSAGE, selector } from '../wire-fixture.js';

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function serve(options: { streamProgressTimeoutMs?: number; maxStreams?: number; isReady?: () => boolean } = {}) {
  const fixture = createWireFixture(options);
  const server = await startHttpServer({ ...fixture.serverOptions, isReady: options.isReady ?? (() => true) });
  cleanUps.push(() => server.stop(0));
  return { fixture, server, url: `http://127.0.0.1:${String(server.port)}` };
}

function infoOf(error: unknown) {
  return error instanceof ConnectError ? error.findDetails(ErrorInfoSchema)[0] : undefined;
}

const transports: [string, (baseUrl: string) => Transport][] = [
  ['Connect', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1' })],
  ['Connect with JSON', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false })],
  ['gRPC-Web', (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })],
];

describe.each(transports)('%s', (_name, transportTo) => {
  it('answers unary calls', async () => {
    const { url } = await serve();
    const client = createClient(MembershipService, transportTo(url));
    expect(await client.count({ selector: selector('any') })).toMatchObject({ count: 42n, revision: 7n });
  });

  it('carries a reason and its metadata', async () => {
    const { url } = await serve();
    const client = createClient(MembershipService, transportTo(url));
    const error = await errorOf(client.count({ selector: selector('missing') }));
    expect(error).toMatchObject({ code: Code.NotFound, rawMessage: 'no segment "missing"' });
    expect(infoOf(error)).toMatchObject({
      reason: 'SEGMENT_NOT_FOUND',
      domain: 'rollcall.v1',
      metadata: { segment: 'missing' },
    });
  });

  it('tells of an unknown error no more than the request id', async () => {
    const { url, fixture } = await serve();
    const client = createClient(MembershipService, transportTo(url));
    const error = await errorOf(client.count({ selector: selector('broken') }));
    expect(error).toMatchObject({ code: Code.Internal, rawMessage: 'internal error' });
    expect(infoOf(error)?.metadata).toEqual({ requestId: fixture.failures[0]?.requestId });
  });

  it('refuses what breaks a constraint, with the field', async () => {
    const { url } = await serve();
    const client = createClient(MembershipService, transportTo(url));
    const error = await errorOf(client.count({ selector: { environment: 'default' } }));
    expect(infoOf(error)).toMatchObject({ reason: 'INVALID_REQUEST', metadata: { field: 'selector.target' } });
  });

  it('streams, decoding finished bytes', async () => {
    const { url, fixture } = await serve();
    const client = createClient(MembershipService, transportTo(url));
    const members: number[] = [];
    for await (const message of client.streamMembers({ selector: selector('s'), limit: 3n, cursor: 'encoded' })) {
      members.push(message.members.length);
    }
    expect(members).toEqual([MEMBERS_IN_A_MESSAGE, MEMBERS_IN_A_MESSAGE, MEMBERS_IN_A_MESSAGE]);
    expect(fixture).toMatchObject({ returned: 1, aborted: [] });
  });

  it('ends at the deadline, on both sides', async () => {
    const { url, fixture } = await serve();
    const client = createClient(MembershipService, transportTo(url));
    await client.count({ selector: selector('any') });
    const error = await errorOf(client.count({ selector: selector('slow') }, { timeoutMs: 300 }));
    expect(error).toMatchObject({ code: Code.DeadlineExceeded });
    await vi.waitFor(() => {
      // Whose clock is first decides which.
      expect(fixture.aborted).toHaveLength(1);
      expect(String(fixture.aborted[0])).toMatch(/deadline passed|cancelled/);
    });
  });

  it('returns the handler when the caller goes away', async () => {
    const { url, fixture } = await serve();
    const client = createClient(MembershipService, transportTo(url));
    const controller = new AbortController();
    const request = { selector: selector('s'), limit: 1_000_000n };
    const reading = (async () => {
      for await (const { revision } of client.streamMembers(request, { signal: controller.signal })) {
        if (revision === 5n) controller.abort();
      }
    })();
    expect(await errorOf(reading)).toMatchObject({ code: Code.Canceled });
    await vi.waitFor(() => {
      expect(fixture.returned).toBe(1);
    });
    expect(fixture.aborted).toMatchObject([{ reason: 'CANCELLED' }]);
  });
});

describe('client streams over Connect', () => {
  it('are read to their end, each message checked', async () => {
    const { url } = await serve();
    const client = createClient(IngestService, createConnectTransport({ baseUrl: url, httpVersion: '1.1' }));
    const change = { environmentKey: 'default', identifier: 'ada', change: { case: 'delete' as const, value: {} } };
    async function* batches(sizes: readonly number[]) {
      for (const size of sizes) yield { changes: Array.from({ length: size }, () => change) };
      await Promise.resolve();
    }
    expect(await client.applyChanges(batches([1, 2]))).toMatchObject({ applied: 3n });
    const error = await errorOf(client.applyChanges(batches([1, 10_001])));
    expect(infoOf(error)).toMatchObject({ reason: 'INVALID_REQUEST', metadata: { message: '1' } });
  });
});

describe('plain JSON', () => {
  const post = (url: string, body: string) =>
    fetch(`${url}/rollcall.v1.MembershipService/Count`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });

  it('is answered', async () => {
    const { url } = await serve();
    const response = await post(url, '{"selector":{"environment":"default","segment":"any"}}');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ count: '42', revision: '7' });
  });

  it('is told the code and the reason', async () => {
    const { url } = await serve();
    const response = await post(url, '{"selector":{"environment":"default","segment":"missing"}}');
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      code: 'not_found',
      details: [{ type: 'google.rpc.ErrorInfo', debug: { reason: 'SEGMENT_NOT_FOUND' } }],
    });
  });
});

describe('a caller that reads nothing', () => {
  it('has its connection closed and the handler returned', async () => {
    const { server, fixture } = await serve({ streamProgressTimeoutMs: 200 });
    const body = '{"selector":{"environment":"default","segment":"s"},"limit":"100000","cursor":"encoded"}';
    const payload = Buffer.alloc(5 + body.length);
    payload.writeUInt32BE(body.length, 1);
    payload.write(body, 5);
    const socket = connectSocket(server.port, '127.0.0.1');
    const head = [
      'POST /rollcall.v1.MembershipService/StreamMembers HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/connect+json',
      `Content-Length: ${String(payload.length)}`,
    ];
    socket.pause().on('error', () => undefined);
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    socket.write(payload);
    await vi.waitFor(
      () => {
        expect(fixture.returned).toBe(1);
      },
      { timeout: 5_000 },
    );
    expect(fixture.aborted).toMatchObject([{ reason: 'STREAM_STALLED' }]);
    expect(fixture.produced).toBeLessThan(300);
    socket.destroy();
  });
});

describe('probes', () => {
  it('tell life from readiness', async () => {
    let ready = false;
    const { url } = await serve({ isReady: () => ready });
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    ready = true;
    expect((await fetch(`${url}/readyz?verbose`)).status).toBe(200);
    expect((await fetch(`${url}/elsewhere`)).status).toBe(404);
  });

  it('take a failing check for not ready', async () => {
    const { url } = await serve({
      isReady: () => {
        throw new Error('no database');
      },
    });
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
  });
});

describe('stopping', () => {
  it('ends calls that outlast the grace', async () => {
    const { server, url, fixture } = await serve();
    const client = createClient(MembershipService, createConnectTransport({ baseUrl: url, httpVersion: '1.1' }));
    const outcome = errorOf(client.count({ selector: selector('slow') }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await server.stop(50);
    expect(infoOf(await outcome)).toMatchObject({ reason: 'CANCELLED' });
    expect(fixture.aborted).toHaveLength(1);
  });

  it('is told of an address that is taken', async () => {
    const { server, fixture } = await serve();
    const second = startHttpServer({ ...fixture.serverOptions, port: server.port, isReady: () => true });
    expect(await errorOf(second)).toMatchObject({ code: 'EADDRINUSE' });
  });
});
