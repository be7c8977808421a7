import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import {
  MembershipService,
  StreamMembersRequestSchema,
  StreamMembersResponseSchema,
} from '../../src/gen/rollcall/v1/membership_service_pb.js';

/** What to stream: the members of a segment in `shards` streams at once. A client that does not decode only counts the bytes of the messages. */
export interface StreamQuestion {
  readonly environment: string;
  readonly segment: string;
  readonly shards: number;
  readonly includeTraits: boolean;
  readonly decodes: boolean;
  /** How many members at most, over all shards; 0: all. */
  readonly limit: number;
}

/** What came: over all shards, and how long it took to the first message of any and to the end of the last. */
export interface Streamed {
  readonly members: number;
  readonly bytes: number;
  readonly ms: number;
  readonly firstMs: number;
}

const METHOD = MembershipService.method.streamMembers;
const CHANNEL_OPTIONS = {
  'grpc-node.flow_control_window': 4 * 1024 * 1024,
  'grpc.max_receive_message_length': -1,
  'grpc.use_local_subchannel_pool': 1,
};
const asItIs = (bytes: Buffer): Buffer => bytes;

/** Connections to one server, one for each shard: kept, as a caller would. */
export class StreamClient {
  readonly #address: string;
  readonly #clients: Client[] = [];

  constructor(address: string) {
    this.#address = address;
  }

  async stream(question: StreamQuestion): Promise<Streamed> {
    const clients = Array.from({ length: question.shards }, (_, shard) => this.#client(shard));
    await Promise.all(clients.map(ready));
    const start = performance.now();
    const shards = await Promise.all(clients.map((client, shard) => streamShard(client, question, shard)));
    const ms = performance.now() - start;
    return {
      members: shards.reduce((sum, { members }) => sum + members, 0),
      bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0),
      firstMs: Math.min(...shards.map(({ firstAt }) => firstAt)) - start,
      ms,
    };
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  #client(shard: number): Client {
    return (this.#clients[shard] ??= new Client(this.#address, credentials.createInsecure(), CHANNEL_OPTIONS));
  }
}

function ready(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + 10_000, (error) => (error === undefined ? resolve() : reject(error)));
  });
}

function streamShard(
  client: Client,
  question: StreamQuestion,
  shardIndex: number,
): Promise<{ members: number; bytes: number; firstAt: number }> {
  const call = client.makeServerStreamRequest(
    `/${METHOD.parent.typeName}/${METHOD.name}`,
    asItIs,
    asItIs,
    encodeRequest(question, shardIndex),
    new Metadata(),
    {},
  );
  return new Promise((resolve, reject) => {
    let bytes = 0;
    let decoded = 0;
    let firstAt = 0;
    let last: Buffer | undefined;
    call.on('data', (message: Buffer) => {
      if (bytes === 0) firstAt = performance.now();
      bytes += message.length;
      last = message;
      if (question.decodes) decoded += fromBinary(StreamMembersResponseSchema, message).members.length;
    });
    call.on('error', reject);
    call.on('end', () => resolve({ members: question.decodes ? decoded : sentIn(last), bytes, firstAt }));
  });
}

function encodeRequest(question: StreamQuestion, shardIndex: number): Buffer {
  const { environment, segment, shards, includeTraits, limit } = question;
  const request = create(StreamMembersRequestSchema, {
    selector: { environment, target: { case: 'segment', value: segment } },
    shardCount: shards,
    shardIndex,
    includeTraits,
    limit: BigInt(Math.floor(limit / shards)),
  });
  return Buffer.from(toBinary(StreamMembersRequestSchema, request));
}

/** How many members the last message of a stream says were sent. */
function sentIn(last: Buffer | undefined): number {
  if (last === undefined) return 0;
  return Number(fromBinary(StreamMembersResponseSchema, last).summary?.sent ?? 0n);
}
