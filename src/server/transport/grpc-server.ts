import type { DescService } from '@bufbuild/protobuf';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { CallFailure } from './errors.js';
import { grpcMethod } from './grpc-methods.js';
import { MAX_REQUEST_BYTES } from './handlers.js';
import type { Implementation } from './handlers.js';
import { createOpenCalls } from './open-calls.js';
import { createReflection } from './reflection.js';
import { endsWithin, STATUS_GRACE_MS } from './shutdown.js';
import type { StreamSlots } from './stream-slots.js';

/** What the gRPC server is made of. */
export interface GrpcServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Served, and answered for by reflection. */
  readonly implementations: readonly Implementation[];
  readonly streamSlots: StreamSlots;
  /** How long a caller may read nothing of a stream before it is ended. */
  readonly streamProgressTimeoutMs: number;
  readonly logFailure: (failure: CallFailure) => void;
}

/** A server that listens. */
export interface RunningServer {
  readonly port: number;
  /**
   * Takes no more calls, gives those that are open `graceMs` to end, then ends them with CANCELLED and closes what is
   * left.
   */
  stop(graceMs: number): Promise<void>;
}

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
  // A dead peer is noticed within 80 s, so that its streams end.
  'grpc.keepalive_time_ms': 60_000,
  'grpc.keepalive_timeout_ms': 20_000,
  // Its books of every call and message, which we do not serve.
  'grpc.enable_channelz': 0,
};

/** Serves gRPC, with reflection over what it serves. Rejects where the address cannot be listened on. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<RunningServer> {
  const openCalls = createOpenCalls();
  const server = new Server(CHANNEL_OPTIONS);
  const services = options.implementations.map(({ service }) => service);
  for (const { service, methods } of [...options.implementations, ...createReflection(services)]) {
    const entries = methods.map((method) => [method.desc.name, grpcMethod(method, { ...options, openCalls })] as const);
    server.addService(serviceDefinition(service), Object.fromEntries(entries) satisfies UntypedServiceImplementation);
  }
  const port = await bind(server, options);
  return {
    port,
    async stop(graceMs) {
      const stopped = new Promise<void>((resolve) => {
        server.tryShutdown(() => {
          resolve();
        });
      });
      if (await endsWithin(stopped, graceMs)) return;
      openCalls.endAll();
      if (await endsWithin(stopped, STATUS_GRACE_MS)) return;
      server.forceShutdown();
    },
  };
}

function bind(server: Server, { host, port }: GrpcServerOptions): Promise<number> {
  const address = `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, boundPort) => {
      if (error === null) resolve(boundPort);
      else reject(error);
    });
  });
}

/** grpc-js is given bytes and gives bytes: our methods decode and encode, so that mistakes have a reason. */
function serviceDefinition(service: DescService): ServiceDefinition {
  const asItIs = (bytes: Buffer): Buffer => bytes;
  const entries = service.methods.map((method) => {
    const definition = {
      path: `/${service.typeName}/${method.name}`,
      requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
      responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
      requestSerialize: asItIs,
      requestDeserialize: asItIs,
      responseSerialize: asItIs,
      responseDeserialize: asItIs,
    };
    return [method.name, definition] as const;
  });
  return Object.fromEntries(entries);
}
