import { CommanderError } from '@commander-js/extra-typings';
import { RollcallError } from '../core/errors.js';
import { CommandError } from './command-error.js';
import type { CommandContext } from './context.js';
import type { ExitCode } from './exit-codes.js';
import { EXIT, exitCodeOf } from './exit-codes.js';
import { OutputClosedError } from './output.js';
import { remark } from './progress.js';
import { jsonText } from './json.js';
import { redOnError } from './style.js';

/** Says on standard error what went wrong, as JSON if the command was asked for JSON, and returns the exit code. */
export async function reportError(context: CommandContext, error: unknown, isJson: boolean): Promise<ExitCode> {
  if (error instanceof OutputClosedError) return EXIT.ok;
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
  if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.usage;
  const { reason, message, metadata } = describe(error);
  if (isJson) await remark(context, jsonText({ error: { reason, message, metadata } }));
  else await remark(context, `${redOnError('error:')} ${message}${hint(reason)}`);
  return error instanceof CommanderError ? EXIT.usage : exitCodeOf(error);
}

interface Description {
  readonly reason: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
}

function describe(error: unknown): Description {
  if (error instanceof RollcallError || error instanceof CommandError) {
    const { reason, message, metadata } = error;
    return { reason, message, metadata };
  }
  if (error instanceof CommanderError)
    return { reason: 'USAGE', message: error.message.replace(/^error: /, ''), metadata: {} };
  return {
    reason: 'INTERNAL',
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    metadata: {},
  };
}

function hint(reason: string): string {
  return HINTS[reason] ?? ` (${reason})`;
}

const HINTS: Readonly<Record<string, string>> = {
  USAGE: '\nSee --help.',
  INTERRUPTED: '',
};
