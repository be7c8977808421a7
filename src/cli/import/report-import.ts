import type { CommandContext } from '../context.js';
import { formatCount, formatDuration, formatRate, formatThings } from '../format.js';
import type { Json } from '../json.js';
import { dim, green, red } from '../style.js';
import { formatTable, printable } from '../table.js';
import type { Imported } from './import-file.js';
import type { InputPlan } from './input-plan.js';
import { traitColumns } from './input-plan.js';

/** Says what is in the file and how it is read. */
export async function reportPlan({ output }: CommandContext, plan: InputPlan): Promise<void> {
  const { badRows, identifierColumn } = plan;
  await output.line(
    `${plan.fileName}: ${formatThings(plan.rows, 'row')}; identifiers from ${printable(identifierColumn)}`,
  );
  for (const example of badRows.examples) await output.line(red(`  left out ${example}`));
  if (badRows.count > badRows.examples.length)
    await output.line(red(`  … and ${formatCount(badRows.count - badRows.examples.length)} more`));
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

/** Says what was done; `imported` is undefined after a dry run. */
export async function reportImport(
  context: CommandContext,
  plan: InputPlan,
  imported: Imported | undefined,
  options: { readonly json?: true },
): Promise<void> {
  if (options.json === true) return context.output.json({ ...planJson(plan), ...importedJson(imported) });
  if (imported === undefined) return context.output.line('Nothing was applied: this was a dry run.');
  const { environment, applied, unchanged, revision, elapsedMs } = imported;
  if (imported.createdEnvironment) await context.output.line(`Created the environment ${environment}.`);
  const changed = unchanged === 0n ? '' : `, ${formatCount(unchanged)} of them unchanged`;
  const speed = `${formatDuration(elapsedMs)} (${formatRate(Number(applied), elapsedMs)})`;
  const at = revision === undefined ? '' : `; revision ${formatCount(revision)}`;
  await context.output.line(
    `${green('✓')} ${formatThings(applied, 'identity', 'identities')} applied${changed} in ${speed}${at}`,
  );
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
  const { elapsedMs, ...rest } = imported;
  return { ...rest, elapsedMs: Math.round(elapsedMs) };
}
