import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { untilEnded } from './program.js';

/** A program of the benchmark in a process of its own, which answers each message with one. */
export interface HelperProcess {
  readonly pid: number;
  /** Sends a message, and gives the next that comes back. Rejects where the process ends instead. */
  ask(message: object): Promise<unknown>;
}

/** Runs `work` beside a program (a URL of its JavaScript), which is ended afterwards. Messages are cloned: they may hold Buffers and typed arrays. */
export async function withHelper<Result>(
  program: URL,
  work: (helper: HelperProcess) => Promise<Result>,
): Promise<Result> {
  const child = fork(fileURLToPath(program), { serialization: 'advanced', execArgv: [] });
  return untilEnded(child, () => work({ pid: child.pid ?? 0, ask: (message) => ask(child, message) }));
}

async function ask(child: ChildProcess, message: object): Promise<unknown> {
  const listening = new AbortController();
  const { signal } = listening;
  const ended = once(child, 'exit', { signal }).then(([code]): never => {
    throw new Error(`a helper process of the benchmark ended with ${String(code)}`);
  });
  const answered = once(child, 'message', { signal }).then(([answer]: unknown[]) => answer);
  try {
    child.send(message);
    return await Promise.race([answered, ended]);
  } finally {
    answered.catch(() => undefined);
    ended.catch(() => undefined);
    listening.abort();
  }
}
