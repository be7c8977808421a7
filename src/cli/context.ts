import type { Output } from './output.js';

/** What a command has of the process around it. */
export interface CommandContext {
  /** Standard output: answers. */
  readonly output: Output;
  /** Standard error: progress and remarks. */
  readonly remarks: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by the first SIGINT or SIGTERM, with a CommandError as the reason. */
  readonly signal: AbortSignal;
}
