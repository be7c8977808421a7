import type { ErrorReason } from '../../core/errors.js';
import type { MetricOfProcess } from '../metrics/process-page.js';
import type { Options } from '../options.js';

/** What the processes that serve tell the one that started them. */
export type WorkerMessage =
  /** It hears what it is told from now on: what was said before is lost. */
  | { readonly kind: 'listening' }
  | { readonly kind: 'ready'; readonly grpcAddress: string; readonly httpAddress: string }
  /** It could not start, and ends. */
  | {
      readonly kind: 'failed';
      readonly reason: ErrorReason;
      readonly message: string;
      readonly metadata: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'all_metrics_wanted'; readonly id: number }
  | { readonly kind: 'metrics'; readonly id: number; readonly metrics: readonly MetricOfProcess[] };

/** What it tells them. `start` comes first; to stop it sends SIGTERM. */
export type PrimaryMessage =
  | { readonly kind: 'start'; readonly options: Options; readonly name: string }
  | { readonly kind: 'metrics_wanted'; readonly id: number }
  | { readonly kind: 'all_metrics'; readonly id: number; readonly metrics: readonly MetricOfProcess[] };
