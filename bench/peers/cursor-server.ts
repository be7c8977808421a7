import { create, toBinary } from '@bufbuild/protobuf';
import postgres from 'postgres';
import { StreamMembersResponseSchema } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { segmentOf, servePeer } from './grpc-peer.js';

/** The simple design: rows of a cursor, a message of the generated code for each batch. The segment's key is the statement that asks for id and identifier. */
const ROWS = 1_000;
const [databaseUrl = ''] = process.argv.slice(2);
const sql = postgres(databaseUrl, { max: 4 });

servePeer(async function* (request) {
  const statement = segmentOf(request);
  for await (const rows of sql.unsafe<{ id: string; identifier: string }[]>(statement).cursor(ROWS)) {
    const members = rows.map(({ id, identifier }) => ({ id: BigInt(id), identifier }));
    const message = create(StreamMembersResponseSchema, { members });
    yield { bytes: toBinary(StreamMembersResponseSchema, message), members: rows.length };
  }
});
