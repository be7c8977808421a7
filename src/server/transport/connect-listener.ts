import type { RequestListener } from 'node:http';
import { createContextValues } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { httpRequestKey } from './connect-call.js';
import { addConnectMethod, type ConnectMethodOptions } from './connect-methods.js';
import { type Implementation, MAX_REQUEST_BYTES } from './handlers.js';

/** Answers Connect, gRPC-Web and JSON over HTTP/1.1. */
export function createConnectListener(
  options: ConnectMethodOptions & { readonly implementations: readonly Implementation[] },
): RequestListener {
  return connectNodeAdapter({
    grpc: false, // it needs HTTP/2, and has a port of its own
    readMaxBytes: MAX_REQUEST_BYTES,
    contextValues: (request) => createContextValues().set(httpRequestKey, 'stream' in request ? undefined : request),
    routes(router) {
      for (const method of options.implementations.flatMap(({ methods }) => methods))
        addConnectMethod(router, method, options);
    },
  });
}
