import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./serve.js', import.meta.url));

/** Runs `work` with the gRPC address and the process id of a server in a process of its own. `environment` is added to its own; BENCH_SERVER_NODE_ARGUMENTS are for profiling it. */
export async function withServer<Result>(
  databaseUrl: string,
  work: (address: string, pid: number) => Promise<Result>,
  environment: Readonly<Record<string, string>> = {},
): Promise<Result> {
  const nodeArguments = (process.env['BENCH_SERVER_NODE_ARGUMENTS'] ?? '')
    .split(' ')
    .filter((argument) => argument !== '');
  const child = spawn(process.execPath, [...nodeArguments, PROGRAM], {
    env: { ...process.env, DATABASE_URL: databaseUrl, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    return await work(await addressOf(child), child.pid ?? 0);
  } finally {
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  }
}

async function addressOf(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the server has no output');
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the server ended with ${String(code)} before it served`);
  });
  const said: unknown[] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]);
  ended.catch(() => undefined);
  return String(said[0]);
}
