import type { CommandContext } from '../context.js';
import { showsProgress, startProgress } from '../progress.js';
import { type BadRowPolicy, createBadRows } from './bad-rows.js';
import type { InputFile, InputFormat } from './input-file.js';
import { type InputOptions, type InputPlan, planInput } from './input-plan.js';

/** What a file of rows is checked by. */
export interface CheckOptions extends InputOptions {
  readonly onBadRow: BadRowPolicy;
  readonly progress?: boolean;
}

/** Checks a whole file, visibly. Throws BAD_INPUT where a row is bad and the policy is `stop`, and USAGE. */
export async function checkFile(
  context: CommandContext,
  file: InputFile,
  format: InputFormat,
  options: CheckOptions,
): Promise<InputPlan> {
  const progress = startProgress(showsProgress(options), { label: 'Checking', total: file.sizeBytes, unit: 'bytes' });
  try {
    return await planInput(file, format, options, createBadRows(options.onBadRow), (bytes) => {
      context.signal.throwIfAborted();
      progress.update(bytes);
    });
  } finally {
    progress.stop();
  }
}
