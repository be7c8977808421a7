import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** What flagd would send its clients: the flag `segment_membership_index` with JsonLogic that gives `on` or `off`, or no flag at all. */
export type Targeting = unknown;

/** A server of flagd's sync service, which sends its clients every change at once. */
export interface FlagdServer {
  readonly port: number;
  /** `undefined` takes the flag away. */
  set(targeting: Targeting): void;
  /** Turns the flag on for these organisations only. */
  letIn(...organisations: string[]): void;
  stop(): void;
}

/** `port` 0 takes any. */
export async function startFlagd(targeting: Targeting, port = 0): Promise<FlagdServer> {
  const clients = new Set<ServerWritableStream<Buffer, Buffer>>();
  let current = encode(targeting);
  const server = new Server();
  const asItIs = (bytes: Buffer): Buffer => bytes;
  const codec = {
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  };
  const path = '/flagd.sync.v1.FlagSyncService/SyncFlags';
  server.addService(
    { syncFlags: { path, requestStream: false, responseStream: true, ...codec } },
    {
      syncFlags(call: ServerWritableStream<Buffer, Buffer>) {
        clients.add(call);
        call.on('cancelled', () => clients.delete(call));
        call.write(current);
      },
    },
  );
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, found) => {
      if (error === null) resolve(found);
      else reject(error);
    });
  });
  const set = (next: Targeting): void => {
    current = encode(next);
    for (const client of clients) client.write(current);
  };
  return {
    port: bound,
    set,
    letIn: (...organisations) => {
      set(only(...organisations));
    },
    stop: () => {
      server.forceShutdown();
    },
  };
}

/** On for these organisations. */
export function only(...organisations: string[]): Targeting {
  return { if: [{ in: [{ var: 'targetingKey' }, organisations] }, 'on', 'off'] };
}

/** A SyncFlagsResponse: `flag_configuration` is field 1. */
function encode(targeting: Targeting): Buffer {
  const variants = { on: true, off: false };
  const flag = { state: 'ENABLED', variants, defaultVariant: 'off', targeting };
  const flags = targeting === undefined ? {} : { segment_membership_index: flag };
  return Buffer.from(new BinaryWriter().uint32(10).string(JSON.stringify({ flags })).finish());
}
