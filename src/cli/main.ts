#!/usr/bin/env node
import { CommandError } from './command-error.js';
import type { CommandContext } from './context.js';
import type { ExitCode } from './exit-codes.js';
import { EXIT } from './exit-codes.js';
import { Output } from './output.js';
import { createProgram } from './program.js';
import { reportError } from './report-error.js';

/** The first signal lets the command end in order; the second ends the process at once. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(EXIT.interrupted);
      controller.abort(new CommandError('INTERRUPTED', 'interrupted'));
    });
  }
  return controller.signal;
}

async function run(context: CommandContext, args: readonly string[]): Promise<ExitCode> {
  try {
    const program = await createProgram(context, args);
    await program.parseAsync(args, { from: 'user' });
    await context.output.flush();
    return EXIT.ok;
  } catch (error) {
    const interruption: unknown = context.signal.aborted ? context.signal.reason : error;
    return reportError(context, interruption, args.includes('--json'));
  }
}

/**
 * Taken away from where others find it: the loader of the package roaring reads `process.argv`, and an option of ours that it knows,
 * such as `--directory`, leads it astray.
 */
const args = process.argv.splice(2);

const context: CommandContext = {
  output: new Output(process.stdout),
  remarks: new Output(process.stderr),
  env: process.env,
  signal: abortOnSignals(),
};
const exitCode = await run(context, args);
await context.remarks.flush().catch(() => undefined);
process.exit(exitCode);
