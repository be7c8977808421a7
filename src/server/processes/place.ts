import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { RollcallError } from '../../core/errors.js';
import type { Logger } from '../logger.js';
import type { MetricOfProcess } from '../metrics/process-page.js';
import type { Options } from '../options.js';
import { endsWithin } from '../transport/shutdown.js';
import type { PrimaryMessage, WorkerMessage } from './messages.js';
import { Questions } from './questions.js';

/** Where a process serves, as host:port. */
export type Addresses = Pick<Extract<WorkerMessage, { kind: 'ready' }>, 'grpcAddress' | 'httpAddress'>;

/** What a place needs. */
export interface PlaceOptions {
  readonly name: string;
  /** Of the processes, whose database somebody else has started. */
  readonly options: Options;
  readonly logger: Logger;
  /** The metrics of all places. */
  readonly readAllMetrics: () => Promise<readonly MetricOfProcess[]>;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** A process that has served for this long was not a failed start: what takes its place comes without a longer pause. */
const STABLE_MS = 30_000;
const METRICS_TIMEOUT_MS = 3_000;

/** The place of one process, which is replaced when it ends by itself: after a pause that doubles while each soon ends again. */
export class Place {
  readonly #needs: PlaceOptions;
  readonly #questions = new Questions<readonly MetricOfProcess[]>();
  #worker: Worker | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #timer: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(needs: PlaceOptions) {
    this.#needs = needs;
  }

  /** Starts the first process. Rejects with what kept it from serving; then none takes its place. */
  async start(): Promise<Addresses> {
    const { worker, addresses } = this.#fork();
    const reached = await addresses;
    if (worker.isDead()) this.#replaceLater();
    else
      worker.process.once('exit', () => {
        this.#replaceLater();
      });
    return reached;
  }

  /** Empty where there is no process just now, or where it does not answer in time. */
  async readMetrics(): Promise<readonly MetricOfProcess[]> {
    const worker = this.#worker;
    if (worker?.isConnected() !== true) return [];
    const metrics = await this.#questions.ask((id) => {
      tell(worker, { kind: 'metrics_wanted', id });
    }, METRICS_TIMEOUT_MS);
    return metrics ?? [];
  }

  /** Has the process drain its calls and end; after `timeoutMs` it is ended. */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    const child = this.#worker?.process;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit').then(() => undefined);
    child.kill('SIGTERM');
    if (await endsWithin(ended, timeoutMs)) return;
    child.kill('SIGKILL');
    await ended;
  }

  #fork(): { readonly worker: Worker; readonly addresses: Promise<Addresses> } {
    const { name, options } = this.#needs;
    const worker = cluster.fork();
    this.#worker = worker;
    const addresses = new Promise<Addresses>((resolve, reject) => {
      worker.on('message', (message: WorkerMessage) => {
        if (message.kind === 'listening') tell(worker, { kind: 'start', options, name });
        else if (message.kind === 'ready') resolve(message);
        else if (message.kind === 'failed') reject(startError(message));
        else this.#heed(worker, message);
      });
      worker.process.once('exit', (code, signal) => {
        reject(new RollcallError('INTERNAL', `process ${name} ended with ${signal ?? String(code)} before it served`));
      });
    });
    return { worker, addresses };
  }

  #heed(worker: Worker, message: Extract<WorkerMessage, { id: number }>): void {
    if (message.kind === 'metrics') this.#questions.answer(message.id, message.metrics);
    else
      void this.#needs.readAllMetrics().then((metrics) => {
        tell(worker, { kind: 'all_metrics', id: message.id, metrics });
      });
  }

  #replaceLater(): void {
    if (this.#isStopping) return;
    const { name, logger } = this.#needs;
    const { exitCode, signalCode } = this.#worker?.process ?? {};
    logger.error(
      { process: name, exitCode, signal: signalCode, pauseMs: this.#pauseMs },
      'a process ended by itself; another takes its place',
    );
    this.#timer = setTimeout(() => {
      this.#replace();
    }, this.#pauseMs);
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * this.#pauseMs);
  }

  #replace(): void {
    const { name, logger } = this.#needs;
    const { worker, addresses } = this.#fork();
    const stable = setTimeout(() => {
      this.#pauseMs = FIRST_PAUSE_MS;
    }, STABLE_MS);
    worker.process.once('exit', () => {
      clearTimeout(stable);
      this.#replaceLater();
    });
    addresses.then(
      () => {
        logger.info({ process: name }, 'a process serves in the place of one that ended');
      },
      (error: unknown) => {
        logger.error({ process: name, err: error }, 'a process could not start');
      },
    );
  }
}

function startError({ reason, message, metadata }: Extract<WorkerMessage, { kind: 'failed' }>): RollcallError {
  return new RollcallError(reason, message, { metadata });
}

/** Of a process that is gone there is nothing to be heard. */
function tell(worker: Worker, message: PrimaryMessage): void {
  if (worker.isConnected()) worker.send(message, undefined, () => undefined);
}
