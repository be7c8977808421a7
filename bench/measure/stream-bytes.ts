import { create, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { MembershipService, StreamMembersRequestSchema } from '../../src/gen/rollcall/v1/membership_service_pb.js';

const METHOD = MembershipService.method.streamMembers;
const asItIs = (bytes: Buffer): Buffer => bytes;

/** Streams a segment to a client that only counts the bytes of the messages. */
export async function streamBytes(address: string, environment: string, segment: string): Promise<number> {
  const client = new Client(address, credentials.createInsecure(), {
    'grpc-node.flow_control_window': 4 * 1024 * 1024,
    'grpc.use_local_subchannel_pool': 1,
  });
  const request = Buffer.from(
    toBinary(
      StreamMembersRequestSchema,
      create(StreamMembersRequestSchema, { selector: { environment, target: { case: 'segment', value: segment } } }),
    ),
  );
  try {
    const call = client.makeServerStreamRequest(
      `/${METHOD.parent.typeName}/${METHOD.name}`,
      asItIs,
      asItIs,
      request,
      new Metadata(),
      {},
    );
    return await new Promise<number>((resolve, reject) => {
      let bytes = 0;
      call.on('data', (message: Buffer) => (bytes += message.length));
      call.on('error', reject);
      call.on('end', () => resolve(bytes));
    });
  } finally {
    client.close();
  }
}
