import { Server, ServerCredentials } from '@grpc/grpc-js';

/** A plain grpc-js server whose one method does nothing, as a process of its own: tells its address once it is asked. What grpc-js on Node can do at most. */
const asItIs = (bytes: Buffer): Buffer => bytes;
const server = new Server();
const answer = Buffer.alloc(0);
server.addService(
  {
    call: {
      path: '/bench.Empty/Call',
      requestStream: false,
      responseStream: false,
      requestSerialize: asItIs,
      requestDeserialize: asItIs,
      responseSerialize: asItIs,
      responseDeserialize: asItIs,
    },
  },
  {
    call: (_call: unknown, callback: (error: null, bytes: Buffer) => void) => callback(null, answer),
  },
);
process.on('message', () => {
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
    if (error !== null) throw error;
    process.send?.({ address: `127.0.0.1:${port}` });
  });
});
