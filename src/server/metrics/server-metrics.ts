import { Registry } from 'prom-client';
import type { Applier, CommittedRevision } from '../../indexing/applier.js';
import type { AppliedBatch, FeedStatus } from '../../indexing/kafka/feed-status.js';
import type { EnvironmentIndexes } from '../../query/environment-indexes.js';
import type { SetCache } from '../../query/set-cache.js';
import { activeBackfills } from '../../storage/backfill-summaries.js';
import type { Database } from '../../storage/database.js';
import { readTotals } from '../../storage/totals.js';
import type { Implementation } from '../transport/handlers.js';
import type { StreamSlots } from '../transport/stream-slots.js';
import { readStates } from '../../storage/environment-health.js';
import { MeasuredApplier } from './applier-metrics.js';
import { type BackfillMetrics, createBackfillMetrics, MAX_SHOWN_BACKFILLS } from './backfill-metrics.js';
import { createCacheMetrics } from './cache-metrics.js';
import { createCallMetrics } from './call-metrics.js';
import { createEnvironmentMetrics, MAX_SHOWN_ENVIRONMENTS } from './environment-metrics.js';
import { createFeedMetrics } from './feed-metrics.js';
import { createIndexMetrics } from './index-metrics.js';
import { createMaintenanceMetrics, type MaintenanceWork } from './maintenance-metrics.js';
import { processMetrics } from './process-metrics.js';
import type { MetricOfProcess } from './process-page.js';
import type { VisibilityDelay } from './visibility-window.js';

/** Everything that one server measures. Its parts are made through it, so that each is measured. */
export interface ServerMetrics {
  readonly createCache: (name: string, maxBytes: number) => SetCache;
  readonly createApplier: (database: Database, onCommitted: (revision: CommittedRevision) => void) => Applier;
  readonly measure: (implementation: Implementation) => Implementation;
  readonly measureSlots: (slots: StreamSlots) => StreamSlots;
  /** To be told of each batch of the feed after its commit. */
  readonly onApplied: (batch: AppliedBatch) => void;
  readonly readVisibility: () => VisibilityDelay;
  /** To be told of each fold and build that ended well. */
  readonly onMaintained: (work: MaintenanceWork, durationMs: number) => void;
  /** To be told how far this process brought a backfill, as it was taken up and as it is. */
  readonly onBackfillRan: BackfillMetrics['onRan'];
  /** All of it as the text that Prometheus reads. Never fails: what cannot be read now is left out; without sources nothing is asked. */
  readonly read: (sources: MetricSources | undefined) => Promise<string>;
  /** The same for other processes to show. */
  readonly collect: (sources: MetricSources | undefined) => Promise<MetricOfProcess[]>;
}

/** What is asked when metrics are read. */
export interface MetricSources {
  readonly database: Database;
  readonly indexes: EnvironmentIndexes;
  readonly readFeed: () => FeedStatus | Promise<FeedStatus>;
}

/** The media type of what `ServerMetrics.read` gives. */
export const METRICS_MEDIA_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** Metrics are asked for every few seconds: what takes longer than this is left out. */
const READ_TIMEOUT_MS = 2_000;

export function createServerMetrics(): ServerMetrics {
  const registry = new Registry();
  const calls = createCallMetrics(registry);
  const feed = createFeedMetrics(registry);
  const index = createIndexMetrics(registry);
  const caches = createCacheMetrics(registry);
  const backfills = createBackfillMetrics(registry);
  const showEnvironments = createEnvironmentMetrics(registry);
  const show = async (sources: MetricSources | undefined): Promise<void> => {
    if (sources === undefined) return;
    const { database, indexes, readFeed } = sources;
    const [status, totals, active, states] = await Promise.all([
      unlessLate(async () => readFeed()),
      unlessLate(() => readTotals(database.sql)),
      unlessLate(() => activeBackfills(database.sql, MAX_SHOWN_BACKFILLS)),
      unlessLate(() => readStates(database.sql, MAX_SHOWN_ENVIRONMENTS)),
    ]);
    if (status !== undefined) feed.show(status);
    index.show(indexes.all());
    index.showStored(totals);
    showEnvironments(states);
    backfills.show(active);
  };
  return {
    createCache: caches.create,
    createApplier: (database, onCommitted) => new MeasuredApplier(database, onCommitted, registry),
    measure: calls.measure,
    measureSlots: calls.measureSlots,
    onApplied: feed.onApplied,
    readVisibility: feed.readVisibility,
    onMaintained: createMaintenanceMetrics(registry),
    onBackfillRan: backfills.onRan,
    async collect(sources) {
      await show(sources);
      return [...(await registry.getMetricsAsJSON()), ...(await processMetrics().getMetricsAsJSON())];
    },
    async read(sources) {
      await show(sources);
      return `${await registry.metrics()}\n${await processMetrics().metrics()}`;
    },
  };
}

async function unlessLate<T>(read: () => Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, READ_TIMEOUT_MS, undefined);
  });
  try {
    return await Promise.race([read().catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}
