import type { CommandContext } from '../context.js';
import { formatCount, formatDuration, formatRate, formatThings } from '../format.js';
import type { Json } from '../json.js';
import { dim, green, red } from '../style.js';
import { formatTable, printable } from '../table.js';
import type { Applied } from './apply-rows.js';
import type { InputPlan } from './input-plan.js';
import { traitColumns } from './input-plan.js';

/** What an import did. */
export interface Imported extends Applied {
  readonly environment: string;
  readonly createdEnvironment: boolean;
  readonly elapsedMs: number;
  /** Of a load: identities that the file did not have any more. */
  readonly removed?: bigint;
  /** Of a load: rows that the server did not take. */
  readonly leftOut?: { readonly count: number; readonly examples: readonly string[] };
}

/** Says what is in the file and how it is read. */
export async function reportPlan({ output }: CommandContext, plan: InputPlan): Promise<void> {
  const { badRows, identifierColumn } = plan;
  await output.line(
    `${plan.fileName}: ${formatThings(plan.rows, 'row')}; identifiers from ${printable(identifierColumn)}`,
  );
  await reportLeftOut(output, badRows);
  const columns = traitColumns(plan);
  if (columns.length === 0) return;
  await output.line();
  await output.line(
    formatTable(
      [{ title: 'column' }, { title: 'type' }, { title: 'empty', align: 'right' }, { title: 'examples' }],
      columns.map(({ name, type, emptyCells, examples }) => [
        printable(name),
        type,
        formatCount(emptyCells),
        dim(examples.map((example) => printable(example.slice(0, 24))).join(', ')),
      ]),
    ),
  );
  if (columns.some(({ emptyCells }) => emptyCells > 0)) await output.line(dim('Empty cells are missing traits.'));
  await output.line();
}

async function reportLeftOut(
  output: CommandContext['output'],
  { count, examples }: { readonly count: number; readonly examples: readonly string[] },
): Promise<void> {
  for (const example of examples) await output.line(red(`  left out ${printable(example)}`));
  if (count > examples.length) await output.line(red(`  … and ${formatCount(count - examples.length)} more`));
}

/** A file, and what was found in it where it was checked before. */
export interface ImportedFile {
  readonly fileName: string;
  readonly plan: InputPlan | undefined;
}

/** Says what was done; `imported` is undefined after a dry run. */
export async function reportImport(
  { output }: CommandContext,
  file: ImportedFile,
  imported: Imported | undefined,
  options: { readonly json?: true },
): Promise<void> {
  if (options.json === true) return output.json({ ...fileJson(file, imported), ...importedJson(imported) });
  if (imported === undefined) return output.line('Nothing was applied: this was a dry run.');
  const { environment, applied, unchanged, removed = 0n, revision, elapsedMs, leftOut } = imported;
  if (leftOut !== undefined && leftOut.count > (file.plan?.badRows.count ?? 0)) await reportLeftOut(output, leftOut);
  if (imported.createdEnvironment) await output.line(`Created the environment ${environment}.`);
  const changed = unchanged === 0n ? '' : `, ${formatCount(unchanged)} of them unchanged`;
  const gone = removed === 0n ? '' : `, ${formatCount(removed)} removed`;
  const speed = `${formatDuration(elapsedMs)} (${formatRate(Number(applied), elapsedMs)})`;
  const at = revision === undefined ? '' : `; revision ${formatCount(revision)}`;
  await output.line(
    `${green('✓')} ${formatThings(applied, 'identity', 'identities')} applied${changed}${gone} in ${speed}${at}`,
  );
}

function fileJson({ fileName, plan }: ImportedFile, imported: Imported | undefined): { readonly [key: string]: Json } {
  if (plan !== undefined) return planJson(plan);
  const { count = 0, examples = [] } = imported?.leftOut ?? {};
  return { file: fileName, rows: Number(imported?.applied ?? 0n), badRows: count, badRowExamples: examples };
}

function planJson(plan: InputPlan): { readonly [key: string]: Json } {
  return {
    file: plan.fileName,
    rows: plan.rows,
    badRows: plan.badRows.count,
    badRowExamples: plan.badRows.examples,
    identifierColumn: plan.identifierColumn,
    columns: plan.csv?.columns.map(({ name, type, emptyCells, examples }) => ({ name, type, emptyCells, examples })),
  };
}

function importedJson(imported: Imported | undefined): { readonly [key: string]: Json } {
  if (imported === undefined) return { dryRun: true };
  const { elapsedMs, leftOut: _shownAsBadRows, ...rest } = imported;
  return { ...rest, elapsedMs: Math.round(elapsedMs) };
}
