import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';

const RUNNER = fileURLToPath(new URL('./run-work.js', import.meta.url));
const MOST_OUTPUT_BYTES = 64 * 1024 * 1024;

/** What one piece of work took, in a process of its own. */
export const WORK = z.object({ ms: z.number(), cpuSeconds: z.number(), peakBytes: z.number(), result: z.unknown() });
export type Work = z.infer<typeof WORK>;

/** Runs the function `work` that a module exports, with a JSON value, in a process of its own; the time is that of the function alone. */
export async function inOwnProcess(module: URL, argument: unknown): Promise<Work> {
  const { stdout } = await promisify(execFile)(process.execPath, [RUNNER, module.href, JSON.stringify(argument)], {
    maxBuffer: MOST_OUTPUT_BYTES,
  });
  return WORK.parse(JSON.parse(stdout));
}
