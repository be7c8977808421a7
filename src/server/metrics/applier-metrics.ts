import { Counter, Histogram, type Registry } from 'prom-client';
import {
  Applier,
  type AppliedBatch,
  type ApplyOptions,
  type CommittedRevision,
  type EnvironmentChange,
} from '../../indexing/applier.js';
import type { Database } from '../../storage/database.js';

interface ApplierCounters {
  readonly batches: Counter<'outcome'>;
  readonly changes: Counter;
  readonly unchanged: Counter;
  readonly passedOver: Counter;
  readonly seconds: Histogram;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Measures batches, whether they come by an RPC, from Kafka or from a replay. */
export class MeasuredApplier extends Applier {
  readonly #counters: ApplierCounters;

  constructor(database: Database, onCommitted: (revision: CommittedRevision) => void, registry: Registry) {
    super(database, onCommitted);
    this.#counters = createCounters([registry]);
  }

  override async apply(changes: readonly EnvironmentChange[], options?: ApplyOptions): Promise<AppliedBatch> {
    const { batches, changes: applied, unchanged, passedOver, seconds } = this.#counters;
    const startedAt = performance.now();
    try {
      const batch = await super.apply(changes, options);
      batches.inc({ outcome: 'applied' });
      applied.inc(changes.length - batch.passedOver);
      passedOver.inc(batch.passedOver);
      unchanged.inc(batch.unchanged);
      return batch;
    } catch (error) {
      batches.inc({ outcome: 'failed' });
      throw error;
    } finally {
      seconds.observe((performance.now() - startedAt) / 1000);
    }
  }
}

function createCounters(registers: Registry[]): ApplierCounters {
  return {
    batches: new Counter({
      name: 'rollcall_applier_batches_total',
      help: 'Batches of changes, by what became of them',
      labelNames: ['outcome'] as const,
      registers,
    }),
    changes: new Counter({
      name: 'rollcall_applier_changes_total',
      help: 'Changes in batches that were applied',
      registers,
    }),
    unchanged: new Counter({
      name: 'rollcall_applier_unchanged_total',
      help: 'Of these the ones that changed nothing',
      registers,
    }),
    passedOver: new Counter({
      name: 'rollcall_changes_passed_over_total',
      help: 'Changes of environments that are switched off: not applied and not kept',
      registers,
    }),
    seconds: new Histogram({
      name: 'rollcall_applier_batch_seconds',
      help: 'How long batches took, with their transactions',
      buckets: SECONDS,
      registers,
    }),
  };
}
