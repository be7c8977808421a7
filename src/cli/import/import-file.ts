import type { RollcallClient } from '../client.js';
import type { CommandContext } from '../context.js';
import { withClient } from '../connect.js';
import type { ConnectOptions } from '../connect.js';
import { ensureEnvironment } from '../ensure-environment.js';
import { showsProgress, startProgress } from '../progress.js';
import type { Applied } from './apply-rows.js';
import { applyRows } from './apply-rows.js';
import { createBadRows } from './bad-rows.js';
import { checkFile, type CheckOptions } from './check-file.js';
import type { InputFile, InputFormat } from './input-file.js';
import { formatOf, openInput } from './input-file.js';
import type { InputPlan } from './input-plan.js';
import { readRows } from './input-plan.js';
import { reportImport, reportPlan } from './report-import.js';
import type { RowMode } from './row-change.js';

export interface ImportOptions extends ConnectOptions, CheckOptions {
  readonly environment: string;
  readonly format?: InputFormat;
  readonly mode: RowMode;
  readonly dryRun?: true;
  readonly json?: true;
}

/** What an import did. */
export interface Imported extends Applied {
  readonly environment: string;
  readonly createdEnvironment: boolean;
  readonly elapsedMs: number;
}

/** Checks a whole file, then applies it. Nothing is applied where a row is bad and the policy is `stop`. */
export async function importFile(context: CommandContext, path: string, options: ImportOptions): Promise<void> {
  const format = formatOf(path, options.format);
  const file = await openInput(path);
  try {
    const plan = await checkFile(context, file, format, options);
    if (options.json !== true) await reportPlan(context, plan);
    const imported =
      options.dryRun === true
        ? undefined
        : await withClient(context, options, (client) => applyFile(context, client, file, plan, options));
    await reportImport(context, plan, imported, options);
  } finally {
    await file.dispose();
  }
}

async function applyFile(
  context: CommandContext,
  client: RollcallClient,
  file: InputFile,
  plan: InputPlan,
  options: ImportOptions,
): Promise<Imported> {
  const { environment, mode } = options;
  const createdEnvironment = await ensureEnvironment(
    client,
    environment,
    options.idColumn === undefined ? 'allotted' : 'given',
  );
  const progress = startProgress(showsProgress(options), { label: 'Loading', total: file.sizeBytes, unit: 'bytes' });
  const startedAt = performance.now();
  try {
    const rows = readRows(file, plan, options, createBadRows(options.onBadRow), (bytes) => {
      context.signal.throwIfAborted();
      progress.update(bytes);
    });
    const applied = await applyRows(client, { environment, mode }, rows);
    return { ...applied, environment, createdEnvironment, elapsedMs: performance.now() - startedAt };
  } finally {
    progress.stop();
  }
}
