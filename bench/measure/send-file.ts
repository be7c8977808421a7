import { createReadStream } from 'node:fs';
import { once } from 'node:events';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientWritableStream, credentials } from '@grpc/grpc-js';
import {
  type Backfill,
  IndexService,
  LoadRequestSchema,
  LoadResponseSchema,
  type LoadStartSchema,
} from '../../src/gen/rollcall/v1/index_service_pb.js';

const METHOD = IndexService.method.load;
const PATH = `/${METHOD.parent.typeName}/${METHOD.name}`;
const PIECE_BYTES = 256 * 1024;

/** Loads a file through a server; what the server says of it when it is done. */
export async function sendFile(
  address: string,
  path: string,
  start: MessageInitShape<typeof LoadStartSchema>,
): Promise<Backfill> {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  try {
    const { call, answer } = openCall(client);
    const put = async (request: MessageInitShape<typeof LoadRequestSchema>): Promise<void> => {
      const { buffer, byteOffset, length } = toBinary(LoadRequestSchema, create(LoadRequestSchema, request));
      if (!call.write(Buffer.from(buffer, byteOffset, length))) await Promise.race([once(call, 'drain'), answer]);
    };
    await put({ part: { case: 'start', value: start } });
    const pieces: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: PIECE_BYTES });
    for await (const value of pieces) await put({ part: { case: 'data', value } });
    call.end();
    const { backfill } = fromBinary(LoadResponseSchema, await answer);
    if (backfill === undefined) throw new Error('the answer does not say what was loaded');
    return backfill;
  } finally {
    client.close();
  }
}

function openCall(client: Client): { call: ClientWritableStream<Buffer>; answer: Promise<Buffer> } {
  const asItIs = (bytes: Buffer): Buffer => bytes;
  let call: ClientWritableStream<Buffer> | undefined;
  const answer = new Promise<Buffer>((resolve, reject) => {
    call = client.makeClientStreamRequest(PATH, asItIs, asItIs, (error, bytes?: Buffer) => {
      if (bytes === undefined) reject(error ?? new Error('no answer'));
      else resolve(bytes);
    });
  });
  // It is awaited when everything is sent.
  answer.catch(() => undefined);
  if (call === undefined) throw new Error('the call did not begin');
  return { call, answer };
}
