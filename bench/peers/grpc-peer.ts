import { once } from 'node:events';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import {
  MembershipService,
  type StreamMembersRequest,
  StreamMembersRequestSchema,
  StreamMembersResponseSchema,
} from '../../src/gen/rollcall/v1/membership_service_pb.js';

const METHOD = MembershipService.method.streamMembers;
const asItIs = (bytes: Buffer): Buffer => bytes;

/** A finished message, and how many members it has. */
export interface PeerMessage {
  readonly bytes: Uint8Array;
  readonly members: number;
}

/** What a peer answers. */
export type Messages = (request: StreamMembersRequest) => AsyncIterable<PeerMessage> | Iterable<PeerMessage>;

/** Serves nothing but StreamMembers, by grpc-js alone: writes its address, serves until it is ended. */
export function servePeer(messages: Messages): void {
  const server = new Server();
  const definition = {
    path: `/${METHOD.parent.typeName}/${METHOD.name}`,
    requestStream: false,
    responseStream: true,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  };
  const handle = (call: ServerWritableStream<Buffer, Buffer>): void => {
    send(call, messages).catch((error: unknown) => call.destroy(error instanceof Error ? error : undefined));
  };
  server.addService({ [METHOD.name]: definition }, { [METHOD.name]: handle });
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
    if (error !== null) throw error;
    console.log(`127.0.0.1:${port}`);
  });
}

/** The key of the segment that was asked for. */
export function segmentOf({ selector }: StreamMembersRequest): string {
  return selector?.target.case === 'segment' ? selector.target.value : '';
}

async function send(call: ServerWritableStream<Buffer, Buffer>, messages: Messages): Promise<void> {
  let sent = 0;
  for await (const { bytes, members } of messages(fromBinary(StreamMembersRequestSchema, call.request))) {
    sent += members;
    if (!call.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))) await once(call, 'drain');
  }
  const summary = { complete: true, sent: BigInt(sent) };
  call.write(Buffer.from(toBinary(StreamMembersResponseSchema, create(StreamMembersResponseSchema, { summary }))));
  call.end();
}
