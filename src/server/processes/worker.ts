import { RollcallError } from '../../core/errors.js';
import { createLogger } from '../logger.js';
import { metricsPage, type MetricOfProcess, ofProcess } from '../metrics/process-page.js';
import { type Rollcall, startRollcall } from '../start.js';
import type { PrimaryMessage, WorkerMessage } from './messages.js';
import { Questions } from './questions.js';

/** One of the processes that serve on the same ports: the program that `startProcesses` runs. */

const METRICS_TIMEOUT_MS = 5_000;

const questions = new Questions<readonly MetricOfProcess[]>();
let name = '';
let starting: Promise<Rollcall> | undefined;

process.on('message', (message: PrimaryMessage) => {
  switch (message.kind) {
    case 'start':
      name = message.name;
      start(message).catch(fail);
      break;
    case 'metrics_wanted':
      readMetrics().then(
        (metrics) => {
          tell({ kind: 'metrics', id: message.id, metrics });
        },
        () => {
          tell({ kind: 'metrics', id: message.id, metrics: [] });
        },
      );
      break;
    case 'all_metrics':
      questions.answer(message.id, message.metrics);
      break;
  }
});
// A terminal sends it to all processes; the one that started this one then says when to stop.
process.on('SIGINT', () => undefined);
process.once('SIGTERM', () => {
  stop().then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
tell({ kind: 'listening' });

async function start({ options }: Extract<PrimaryMessage, { kind: 'start' }>): Promise<void> {
  const logger = createLogger(options).child({ process: name });
  starting = startRollcall(options, logger, readAllMetrics);
  const { grpcAddress, httpAddress } = await starting;
  tell({ kind: 'ready', grpcAddress, httpAddress });
}

async function stop(): Promise<void> {
  const rollcall = await starting;
  await rollcall?.stop();
}

async function readMetrics(): Promise<MetricOfProcess[]> {
  const rollcall = await starting;
  return rollcall === undefined ? [] : ofProcess(name, await rollcall.readMetrics());
}

/** Of this process alone where the others cannot be asked. */
async function readAllMetrics(): Promise<string> {
  const all = await questions.ask((id) => {
    tell({ kind: 'all_metrics_wanted', id });
  }, METRICS_TIMEOUT_MS);
  return metricsPage(all ?? (await readMetrics()));
}

function fail(error: unknown): void {
  const { reason, message, metadata } =
    error instanceof RollcallError
      ? error
      : { reason: 'INTERNAL' as const, message: error instanceof Error ? error.message : String(error), metadata: {} };
  process.send?.({ kind: 'failed', reason, message, metadata } satisfies WorkerMessage, () => process.exit(1));
}

/** Nobody is left to be told once the process that started this one is gone: then this one ends, too. */
function tell(message: WorkerMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
