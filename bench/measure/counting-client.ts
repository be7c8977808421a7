import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import {
  CountRequestSchema,
  CountResponseSchema,
  MembershipService,
} from '../../src/gen/rollcall/v1/membership_service_pb.js';

const METHOD = MembershipService.method.count;
const PATH = `/${METHOD.parent.typeName}/${METHOD.name}`;

/** Runs `work` with what counts a segment at the server: in memory, or as the newest revision in the database has it. */
export async function withCounts<Result>(
  address: string,
  environment: string,
  work: (count: (segment: string, isLatest?: boolean) => Promise<number>) => Promise<Result>,
): Promise<Result> {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  const count = async (segment: string, isLatest = false): Promise<number> => {
    const request = create(CountRequestSchema, {
      selector: { environment, target: { case: 'segment', value: segment } },
      freshness: { level: isLatest ? { case: 'latest', value: true } : { case: 'minimizeLatency', value: true } },
    });
    const bytes = await new Promise<Buffer>((resolve, reject) => {
      client.makeUnaryRequest(
        PATH,
        (message: Uint8Array) => Buffer.from(message),
        (message: Buffer) => message,
        toBinary(CountRequestSchema, request),
        (error, answer) => (answer === undefined ? reject(error ?? new Error('no answer')) : resolve(answer)),
      );
    });
    return Number(fromBinary(CountResponseSchema, bytes).count);
  };
  try {
    return await work(count);
  } finally {
    client.close();
  }
}
