import { once } from 'node:events';
import { createLogger } from '../../src/server/logger.js';
import { loadOptions } from '../../src/server/options.js';
import { startRollcall } from '../../src/server/start.js';

/** The service on the database of DATABASE_URL, as a process of its own: writes its gRPC address, serves until SIGTERM. */
const options = loadOptions({ env: process.env, flags: { grpcPort: '0', httpPort: '0', logLevel: 'warn' } });
const server = await startRollcall(options, createLogger(options));
console.log(server.grpcAddress);
await once(process, 'SIGTERM');
await server.stop();
