import { createServer } from 'node:http';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import type { CallFailure } from './errors.js';
import type { RunningServer } from './grpc-server.js';
import type { Implementation } from './handlers.js';
import { createOpenCalls } from './open-calls.js';
import type { StreamSlots } from './stream-slots.js';
import { endsWithin, STATUS_GRACE_MS } from './shutdown.js';

/** What the HTTP server is made of. */
export interface HttpServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly implementations: readonly Implementation[];
  /** Whether calls can be answered now; `/readyz` says so. */
  readonly isReady: () => boolean | Promise<boolean>;
  /** What `/metrics` shows; without it there is no such page. */
  readonly metrics?: MetricsPage;
  readonly streamSlots: StreamSlots;
  /** How long a caller may read nothing of a stream before it is ended. */
  readonly streamProgressTimeoutMs: number;
  readonly logFailure: (failure: CallFailure) => void;
}

/** Metrics as text, and its media type. */
export interface MetricsPage {
  readonly mediaType: string;
  readonly read: () => Promise<string>;
}

/** Serves Connect, gRPC-Web and JSON over HTTP/1.1, and `/livez`, `/readyz` and `/metrics`. */
export async function startHttpServer(options: HttpServerOptions): Promise<RunningServer> {
  const openCalls = createOpenCalls();
  let isStopping = false;
  const rpc = loadedOnce(async () => {
    const { createConnectListener } = await import('./connect-listener.js');
    return createConnectListener({ ...options, openCalls });
  });
  const isReady = async (): Promise<boolean> => !isStopping && (await options.isReady());
  const server = createServer(withPages(rpc, isReady, options.metrics));
  const port = await listen(server, options);
  return {
    port,
    async stop(graceMs) {
      isStopping = true;
      const stopped = new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
      server.closeIdleConnections();
      if (await endsWithin(stopped, graceMs)) return;
      openCalls.endAll();
      await endsWithin(stopped, STATUS_GRACE_MS);
      server.closeAllConnections();
    },
  };
}

/** A listener that is made when the first request comes: many processes never get one, and all start sooner without what it needs. */
function loadedOnce(load: () => Promise<RequestListener>): RequestListener {
  let loading: Promise<RequestListener> | undefined;
  return (request, response) => {
    loading ??= load();
    loading.then(
      (listener) => {
        listener(request, response);
      },
      () => {
        response.writeHead(500).end();
      },
    );
  };
}

function withPages(
  rpc: RequestListener,
  isReady: () => Promise<boolean>,
  metrics: MetricsPage | undefined,
): RequestListener {
  return (request, response) => {
    const path = request.url?.split('?', 1)[0];
    if (path === '/livez') answerProbe(response, true);
    else if (path === '/readyz') {
      isReady().then(
        (ready) => {
          answerProbe(response, ready);
        },
        () => {
          answerProbe(response, false);
        },
      );
    } else if (path === '/metrics' && metrics !== undefined) void answerMetrics(response, metrics);
    else rpc(request, response);
  };
}

async function answerMetrics(response: ServerResponse, { mediaType, read }: MetricsPage): Promise<void> {
  try {
    const text = await read();
    response.writeHead(200, { 'content-type': mediaType, 'cache-control': 'no-store' }).end(text);
  } catch {
    response.writeHead(500, { 'content-type': 'text/plain', 'cache-control': 'no-store' }).end('no metrics\n');
  }
}

function answerProbe(response: ServerResponse, isOk: boolean): void {
  response.writeHead(isOk ? 200 : 503, { 'content-type': 'text/plain', 'cache-control': 'no-store' });
  response.end(isOk ? 'ok\n' : 'not ready\n');
}

function listen(server: Server, { host, port }: HttpServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
