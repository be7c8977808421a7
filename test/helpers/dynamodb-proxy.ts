import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** What becomes of a request: it goes through, is answered never, or at once with this. */
export type ProxyRule = 'pass' | 'hang' | { readonly status: number; readonly body: object };

/** Stands between a client and a DynamoDB server, and answers some requests in its place. */
export interface DynamoDbProxy {
  readonly endpoint: string;
  /** Decides about each request, by the operation's name and how many there were before. */
  rule: (operation: string, index: number) => ProxyRule;
  readonly operations: readonly string[];
  /** The capacity units of each page that went through, and when that was, by `performance.now()`. */
  readonly spent: readonly SpentUnits[];
  close(): Promise<void>;
}

export interface SpentUnits {
  readonly at: number;
  readonly units: number;
}

/** Listens on `onPort`, by default on any free one. */
export async function startDynamoDbProxy(target: string, onPort = 0): Promise<DynamoDbProxy> {
  const operations: string[] = [];
  const spent: SpentUnits[] = [];
  const server = createServer((incoming, outgoing) => {
    const operation = String(incoming.headers['x-amz-target']).replace(/^.*\./, '');
    const rule = proxy.rule(operation, operations.length);
    operations.push(operation);
    if (rule === 'pass') forward(target, incoming, outgoing, (units) => spent.push({ at: performance.now(), units }));
    else if (rule !== 'hang') answer(rule, incoming, outgoing);
  });
  server.listen(onPort, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const proxy: DynamoDbProxy = {
    endpoint: `http://127.0.0.1:${port}`,
    rule: () => 'pass',
    operations,
    spent,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return proxy;
}

function forward(
  target: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  spend: (units: number) => void,
): void {
  const { method, headers, url = '/' } = incoming;
  const onward = request(new URL(url, target), { ...(method === undefined ? {} : { method }), headers }, (reply) => {
    outgoing.writeHead(reply.statusCode ?? 500, reply.headers);
    reply.pipe(outgoing);
    void text(reply).then(
      (body) => spend(Number(/"CapacityUnits":([0-9.]+)/.exec(body)?.[1] ?? 0)),
      () => undefined,
    );
  });
  onward.on('error', () => outgoing.destroy());
  incoming.pipe(onward);
}

/** DynamoDB's error of that name. */
export function dynamoDbError(name: string, message = 'refused', status = 400): ProxyRule {
  return { status, body: { __type: `com.amazonaws.dynamodb.v20120810#${name}`, message } };
}

function answer(rule: Exclude<ProxyRule, string>, incoming: IncomingMessage, outgoing: ServerResponse): void {
  incoming.resume();
  outgoing.writeHead(rule.status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(rule.body));
}
