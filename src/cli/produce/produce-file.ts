import type { CommandContext } from '../context.js';
import { formatDuration, formatRate, formatThings } from '../format.js';
import { createBadRows } from '../import/bad-rows.js';
import { checkFile, type CheckOptions } from '../import/check-file.js';
import { formatOf, type InputFile, type InputFormat, openInput } from '../import/input-file.js';
import { type InputPlan, readRows } from '../import/input-plan.js';
import { reportPlan } from '../import/report-import.js';
import { rowChange, type RowMode } from '../import/row-change.js';
import { showsProgress, startProgress } from '../progress.js';
import { green } from '../style.js';
import { brokerConnection, type BrokerFlags } from './broker-connection.js';
import { changeMessage, type ValueFormat } from './change-message.js';
import { type OutgoingMessage, writeTopic } from './topic-writer.js';

export interface ProduceOptions extends BrokerFlags, CheckOptions {
  readonly topic: string;
  readonly environment: string;
  readonly format: ValueFormat;
  readonly inputFormat?: InputFormat;
  readonly mode: RowMode;
  readonly dryRun?: true;
  readonly json?: true;
}

/** Checks a whole file, then puts a message for each row on a topic. Nothing is sent where a row is bad and the policy is `stop`. */
export async function produceFile(context: CommandContext, path: string, options: ProduceOptions): Promise<void> {
  const connection = brokerConnection(context, options);
  const format = formatOf(path, options.inputFormat);
  const file = await openInput(path);
  try {
    const plan = await checkFile(context, file, format, options);
    if (options.json !== true) await reportPlan(context, plan);
    const startedAt = performance.now();
    const messages = messagesOf(context, file, plan, options);
    let produced = 0;
    if (options.dryRun !== true)
      await writeTopic(connection, options.topic, messages, (count) => {
        produced += count;
      });
    await report(context, plan, { ...options, produced, elapsedMs: performance.now() - startedAt });
  } finally {
    await file.dispose();
  }
}

/** The bar moves as rows are read, a batch ahead of what the brokers have taken. */
async function* messagesOf(
  context: CommandContext,
  file: InputFile,
  plan: InputPlan,
  options: ProduceOptions,
): AsyncGenerator<OutgoingMessage> {
  const progress = startProgress(showsProgress(options), { label: 'Producing', total: file.sizeBytes, unit: 'bytes' });
  try {
    const rows = readRows(file, plan, options, createBadRows(options.onBadRow), (bytes) => {
      context.signal.throwIfAborted();
      progress.update(bytes);
    });
    for await (const row of rows) {
      context.signal.throwIfAborted();
      yield changeMessage(rowChange(row, options), options.format);
    }
  } finally {
    progress.stop();
  }
}

async function report(
  { output }: CommandContext,
  { fileName, rows, badRows }: InputPlan,
  done: ProduceOptions & { readonly produced: number; readonly elapsedMs: number },
): Promise<void> {
  const { topic, environment, produced, dryRun } = done;
  const elapsedMs = Math.round(done.elapsedMs);
  if (done.json === true) {
    const summary = {
      file: fileName,
      rows,
      badRows: badRows.count,
      badRowExamples: badRows.examples,
      topic,
      environment,
    };
    return output.json(dryRun === true ? { ...summary, dryRun } : { ...summary, produced, elapsedMs });
  }
  if (dryRun === true) return output.line('Nothing was sent: this was a dry run.');
  const speed = `${formatDuration(elapsedMs)} (${formatRate(produced, elapsedMs)})`;
  await output.line(`${green('✓')} ${formatThings(produced, 'change')} on ${topic} in ${speed}`);
}
