import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A program of the benchmark in a process of its own, that is talked to in lines. */
export interface Program {
  readonly pid: number;
  readonly writeLine: (line: string) => void;
  /** The next line that it writes. Rejects where it ends instead. */
  readonly nextLine: () => Promise<string>;
}

/** How a program is started. */
export interface ProgramOptions {
  readonly arguments?: readonly string[];
  readonly nodeArguments?: readonly string[];
  /** Added to that of this process. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs `work` beside a program (a URL of its JavaScript), which is ended afterwards. */
export async function withProgram<Result>(
  program: URL,
  options: ProgramOptions,
  work: (program: Program) => Promise<Result>,
): Promise<Result> {
  const path = fileURLToPath(program);
  const { nodeArguments = [], environment } = options;
  const child = spawn(process.execPath, [...nodeArguments, path, ...(options.arguments ?? [])], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => {
    const line = await lines.next();
    if (line.done === true) throw new Error(`${path} ended`);
    return line.value;
  };
  const writeLine = (line: string): void => void child.stdin.write(`${line}\n`);
  return untilEnded(child, () => work({ pid: child.pid ?? 0, writeLine, nextLine }));
}

/** Runs `work`, then ends the process, where it has not ended. */
export async function untilEnded<Result>(child: ChildProcess, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } finally {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
  }
}
