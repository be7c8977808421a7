import { withProgram } from './program.js';

const PROGRAM = new URL('./serve.js', import.meta.url);

/** Runs `work` with the gRPC address and the process id of a server in a process of its own. `environment` is added to its own; BENCH_SERVER_NODE_ARGUMENTS are for profiling it. */
export async function withServer<Result>(
  databaseUrl: string,
  work: (address: string, pid: number) => Promise<Result>,
  environment: Readonly<Record<string, string>> = {},
): Promise<Result> {
  const nodeArguments = (process.env['BENCH_SERVER_NODE_ARGUMENTS'] ?? '')
    .split(' ')
    .filter((argument) => argument !== '');
  const options = { nodeArguments, environment: { DATABASE_URL: databaseUrl, ...environment } };
  return withProgram(PROGRAM, options, async ({ pid, nextLine }) => work(await nextLine(), pid));
}
