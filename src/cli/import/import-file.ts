import type { RollcallClient } from '../client.js';
import { CommandError } from '../command-error.js';
import type { ConnectOptions } from '../connect.js';
import { withClient } from '../connect.js';
import type { CommandContext } from '../context.js';
import { ensureEnvironment } from '../ensure-environment.js';
import { showsProgress, startProgress } from '../progress.js';
import { applyRows } from './apply-rows.js';
import { createBadRows } from './bad-rows.js';
import { checkFile, type CheckOptions } from './check-file.js';
import { typesOf } from './csv-plan.js';
import type { InputFile, InputFormat } from './input-file.js';
import { formatOf, openInput } from './input-file.js';
import type { InputPlan } from './input-plan.js';
import { readColumns, readRows } from './input-plan.js';
import { loadFile } from './load-file.js';
import { type Imported, reportImport, reportPlan } from './report-import.js';
import type { RowMode } from './row-change.js';

export interface ImportOptions extends ConnectOptions, CheckOptions {
  readonly environment: string;
  readonly format?: InputFormat;
  readonly mode: RowMode;
  readonly complete?: true;
  readonly resume?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

/** What is imported. */
interface Input {
  readonly file: InputFile;
  readonly format: InputFormat;
  /** None where the file is not checked before. */
  readonly plan: InputPlan | undefined;
}

type Done = Omit<Imported, 'environment' | 'createdEnvironment' | 'elapsedMs'>;

/**
 * Checks a whole file, then applies it. Nothing is applied where a row is bad and the policy is `stop`. Where bad rows are left out and nothing is to be found out about
 * columns, it is applied at once.
 */
export async function importFile(context: CommandContext, path: string, options: ImportOptions): Promise<void> {
  refuseLoadOptions(options);
  const format = formatOf(path, options.format);
  const file = await openInput(path);
  try {
    const plan = (await isChecked(file, format, options)) ? await checkFile(context, file, format, options) : undefined;
    if (plan !== undefined && options.json !== true) await reportPlan(context, plan);
    const imported =
      options.dryRun === true
        ? undefined
        : await withClient(context, options, (client) => applyFile(context, client, { file, format, plan }, options));
    await reportImport(context, { fileName: file.name, plan }, imported, options);
  } finally {
    await file.dispose();
  }
}

function refuseLoadOptions({ mode, complete, resume }: ImportOptions): void {
  if (mode === 'upsert' || (complete === undefined && resume === undefined)) return;
  throw new CommandError('USAGE', '--complete and --resume are for --mode upsert');
}

async function isChecked(file: InputFile, format: InputFormat, options: ImportOptions): Promise<boolean> {
  if (options.dryRun === true || options.onBadRow === 'stop' || options.mode !== 'upsert') return true;
  if (format === 'ndjson') return options.types !== undefined;
  const columns = await readColumns(file, options);
  return columns.some((name) => options.types?.has(name) !== true);
}

async function applyFile(
  context: CommandContext,
  client: RollcallClient,
  input: Input,
  options: ImportOptions,
): Promise<Imported> {
  const { environment, mode, idColumn } = options;
  const ordinals = idColumn === undefined ? 'allotted' : 'given';
  const createdEnvironment = await ensureEnvironment(client, environment, ordinals);
  const { file } = input;
  const progress = startProgress(showsProgress(options), { label: 'Loading', total: file.sizeBytes, unit: 'bytes' });
  const startedAt = performance.now();
  const onBytes = (bytes: number): void => {
    context.signal.throwIfAborted();
    progress.update(bytes);
  };
  try {
    const done = await (mode === 'upsert' ? upsertRows : setTraits)(client, input, options, onBytes);
    return { ...done, environment, createdEnvironment, elapsedMs: performance.now() - startedAt };
  } finally {
    progress.stop();
  }
}

async function upsertRows(
  client: RollcallClient,
  { file, format, plan }: Input,
  options: ImportOptions,
  onBytes: (bytes: number) => void,
): Promise<Done> {
  const { types, ...asked } = options;
  const known = plan?.csv === undefined ? types : typesOf(plan.csv);
  const unpackedBytes = plan?.unpackedBytes ?? ((await file.isPacked()) ? undefined : file.sizeBytes);
  const how = { ...asked, format, unpackedBytes, complete: asked.complete === true, resume: asked.resume === true };
  const { backfill, revision } = await loadFile(
    client,
    file,
    known === undefined ? how : { ...how, types: known },
    onBytes,
  );
  const { identitiesRead, identitiesChanged, identitiesSwept, rowsSkipped, skipped } = backfill;
  return {
    applied: identitiesRead,
    unchanged: identitiesRead - identitiesChanged,
    revision,
    removed: identitiesSwept,
    leftOut: {
      count: Number(rowsSkipped),
      examples: skipped.map(({ place, explanation }) => `${place}: ${explanation}`),
    },
  };
}

async function setTraits(
  client: RollcallClient,
  { file, plan }: Input,
  options: ImportOptions,
  onBytes: (bytes: number) => void,
): Promise<Done> {
  if (plan === undefined) throw new TypeError('a file whose traits are set is checked before');
  const { environment, mode } = options;
  const rows = readRows(file, plan, options, createBadRows(options.onBadRow), onBytes);
  return applyRows(client, { environment, mode }, rows);
}
