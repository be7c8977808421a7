import { create, toBinary } from '@bufbuild/protobuf';
import { StreamMembersResponseSchema } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { segmentOf, servePeer } from './grpc-peer.js';

/** What the loopback and grpc-js allow: the same prepared message over and over. The segment's key is how many members to send, about. */
const MESSAGE_BYTES = 32 * 1024;
/** As identifiers of the world are. */
const IDENTIFIER_LETTERS = 17;

const members = Array.from({ length: 1_260 }, (_, index) => ({
  id: BigInt(1_000_000 + index),
  identifier: 'x'.repeat(IDENTIFIER_LETTERS),
}));
const prepared = toBinary(StreamMembersResponseSchema, create(StreamMembersResponseSchema, { members }));
if (Math.abs(prepared.length - MESSAGE_BYTES) > 2048) throw new Error(`the message has ${prepared.length} bytes`);

servePeer(function* (request) {
  const wanted = Number(segmentOf(request));
  for (let sent = 0; sent < wanted; sent += members.length) yield { bytes: prepared, members: members.length };
});
