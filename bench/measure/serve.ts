import { once } from 'node:events';

/**
 * The service on the database of DATABASE_URL, as a process of its own: writes its gRPC address and, on the next line, what its start took in
 * milliseconds as JSON; serves until SIGTERM.
 */
const bootMs = performance.now();
const [{ createLogger }, { loadOptions }, { startRollcall }] = await Promise.all([
  import('../../src/server/logger.js'),
  import('../../src/server/options.js'),
  import('../../src/server/start.js'),
]);
const importedMs = performance.now();
const options = loadOptions({
  env: process.env,
  flags: { segmentMembershipEnabled: 'true', grpcPort: '0', httpPort: '0', logLevel: 'warn' },
});
const server = await (options.processes === 1 ? startRollcall : await loadStartProcesses())(
  options,
  createLogger(options),
);
const startedMs = performance.now();
console.log(server.grpcAddress);
console.log(JSON.stringify({ bootMs, importMs: importedMs - bootMs, startMs: startedMs - importedMs }));
await once(process, 'SIGTERM');
await server.stop();

/** Loaded only where there are to be several. */
async function loadStartProcesses() {
  return (await import('../../src/server/processes/start-processes.js')).startProcesses;
}
