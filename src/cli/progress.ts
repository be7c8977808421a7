import type { Ora } from 'ora';
import ora from 'ora';
import type { CommandContext } from './context.js';
import { formatBytes, formatCount, formatRate } from './format.js';

export interface ProgressOptions {
  /** What is going on, such as `Loading`. */
  readonly label: string;
  /** Where it ends; none where nobody knows. */
  readonly total?: number;
  readonly unit?: 'bytes';
  /** How much was done when this began to look: it does not count for the rate. */
  readonly startedAt?: number;
}

/** Long work on standard error: a moving bar on a terminal or with `--progress`, else silence till the end. */
export interface Progress {
  /** How much is done of the total by now. `remark` follows the bar. */
  update(done: number, remark?: string): void;
  setTotal(total: number): void;
  /** Removes the bar. */
  stop(): void;
}

const WIDTH = 28;

export function startProgress(isShown: boolean, options: ProgressOptions): Progress {
  // On a terminal that says it has no columns, ora clears lines for ever.
  if (!isShown || process.stderr.columns === 0) return SILENT;
  const spinner = ora({
    text: options.label,
    stream: process.stderr,
    discardStdin: false,
    isEnabled: true,
    hideCursor: true,
  });
  return barOn(spinner.start(), options);
}

/** Whether bars are shown: as asked by `--progress` / `--no-progress`, else where standard error is a terminal. */
export function showsProgress(options: { readonly progress?: boolean }): boolean {
  return options.progress ?? process.stderr.isTTY;
}

/** Says one line on standard error, where people look for it. */
export async function remark(context: CommandContext, text: string): Promise<void> {
  await context.remarks.line(text).catch(() => undefined);
}

const SILENT: Progress = { update: () => undefined, setTotal: () => undefined, stop: () => undefined };

function barOn(spinner: Ora, options: ProgressOptions): Progress {
  const startedAt = performance.now();
  let total = options.total;
  return {
    update: (done, text = '') => {
      const elapsedMs = performance.now() - startedAt;
      spinner.text = `${options.label}  ${describe({ ...options, done, total, elapsedMs })}${text === '' ? '' : `  ${text}`}`;
    },
    setTotal: (known) => {
      total = known;
    },
    stop: () => {
      // How far it came since the last frame.
      spinner.render();
      spinner.stop();
    },
  };
}

interface State {
  readonly done: number;
  readonly total: number | undefined;
  readonly elapsedMs: number;
  readonly unit?: 'bytes';
  readonly startedAt?: number;
}

function describe({ done, total, elapsedMs, unit, startedAt = 0 }: State): string {
  const format = unit === 'bytes' ? formatBytes : formatCount;
  const rate =
    unit === 'bytes'
      ? `${formatBytes(((done - startedAt) / Math.max(elapsedMs, 1)) * 1000)}/s`
      : formatRate(done - startedAt, elapsedMs);
  if (total === undefined) return `${format(done)}  ${rate}`;
  const share = total === 0 ? 1 : Math.min(done / total, 1);
  const filled = Math.round(share * WIDTH);
  const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
  return `${bar} ${(share * 100).toFixed(0).padStart(3)} %  ${format(done)} / ${format(total)}  ${rate}`;
}
