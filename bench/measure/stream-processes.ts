import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Streamed, StreamQuestion } from './stream-calls.js';

/** Asks for one stream after another, from another process. */
export type AskStream = (question: StreamQuestion) => Promise<Streamed>;

/** Runs `work` with a caller of the server at `address` in a process of its own, so that it shares no thread with what it is measured against. */
export async function withStreamClient<Result>(
  address: string,
  work: (ask: AskStream) => Promise<Result>,
): Promise<Result> {
  return withProgram('./stream-client.js', [address], async (child, nextLine) =>
    work(async (question) => {
      child.stdin?.write(`${JSON.stringify(question)}\n`);
      return JSON.parse(await nextLine()) as Streamed;
    }),
  );
}

/** Runs `work` with a caller of a peer: a server program of `bench/peers` that writes its address. */
export async function withStreamPeer<Result>(
  peer: 'cursor-server' | 'prepared-server',
  argument: string,
  work: (ask: AskStream) => Promise<Result>,
): Promise<Result> {
  return withProgram(`../peers/${peer}.js`, [argument], async (_child, nextLine) =>
    withStreamClient(await nextLine(), work),
  );
}

async function withProgram<Result>(
  program: string,
  programArguments: readonly string[],
  work: (child: ChildProcess, nextLine: () => Promise<string>) => Promise<Result>,
): Promise<Result> {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn(process.execPath, [path, ...programArguments], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  try {
    return await work(child, async () => {
      const line = await lines.next();
      if (line.done === true) throw new Error(`${program} ended`);
      return line.value;
    });
  } finally {
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  }
}
